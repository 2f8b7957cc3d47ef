"""A real identity provider for the tests: Debian's simplesamlphp, served by PHP on this machine."""

import datetime
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

WWW = Path("/usr/share/simplesamlphp/www")
ENTITY = "https://idp.example.com/simplesamlphp"
CURVE = ec.SECP256R1()
USER, PASSWORD = "ada", "lovelace-1815"

_CONFIG = """<?php
$config = [
    'baseurlpath' => '%(address)s/',
    'certdir' => '%(folder)s/', 'datadir' => '%(folder)s/', 'tempdir' => '%(folder)s/temp',
    'loggingdir' => '%(folder)s/', 'metadatadir' => '%(folder)s/metadata/',
    'attributenamemapdir' => '/etc/simplesamlphp/attributemap/',
    'secretsalt' => 'a salt that only these tests use', 'auth.adminpassword' => 'unused-in-tests',
    'technicalcontact_name' => 'Tests', 'technicalcontact_email' => 'na@example.com', 'timezone' => 'UTC',
    'logging.handler' => 'errorlog', 'logging.level' => SimpleSAML\\Logger::NOTICE, 'showerrors' => true,
    'errorreporting' => false, 'debug' => ['saml' => false, 'backtraces' => true, 'validatexml' => false],
    'enable.saml20-idp' => true, 'module.enable' => ['exampleauth' => true, 'core' => true, 'saml' => true],
    'session.cookie.secure' => false, 'session.cookie.samesite' => null, 'session.cookie.name' => 'Idp',
    'session.phpsession.cookiename' => 'IdpPhp', 'session.phpsession.savepath' => '%(folder)s/sessions',
    'language.available' => ['en'], 'language.default' => 'en', 'language.cookie.secure' => false,
    'language.cookie.samesite' => null, 'theme.use' => 'default', 'store.type' => 'phpsession',
    'metadata.sources' => [
        ['type' => 'flatfile'],
        ['type' => 'xml', 'file' => '%(folder)s/sp.xml'],
    ],
    'metadata.sign.enable' => false, 'admin.checkforupdates' => false, 'production' => true,
];
"""
_SOURCES = """<?php
$config = [
    'people' => ['exampleauth:UserPass', '%(user)s:%(password)s' => ['uid' => ['%(user)s'], 'mail' => ['ada@x.test']]],
];
"""
_HOSTED = """<?php
$metadata['%(entity)s'] = [
    'host' => '__DEFAULT__', 'privatekey' => 'server.pem', 'certificate' => 'server.crt', 'auth' => 'people',
    'saml20.sign.response' => %(sign_response)s, 'saml20.sign.assertion' => %(sign_assertion)s,
    'validate.authnrequest' => %(validate)s,
    'authproc' => [3 => ['class' => 'saml:AttributeNameID', 'attribute' => 'uid',
        'Format' => 'urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified']],
];
"""


def key_and_certificate(name: str, *, days: int = 30, bits: int = 2048) -> tuple[str, str]:
    """An RSA key (of no bits: one of the curve P-256) and its self-signed certificate, in PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=bits) if bits else ec.generate_private_key(CURVE)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    moment = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(moment - datetime.timedelta(days=60))
        .not_valid_after(moment + datetime.timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return pem, made.public_bytes(Encoding.PEM).decode()


def is_here() -> bool:
    return WWW.is_dir() and shutil.which("php") is not None


class Simplesamlphp:
    """Started with the service provider's metadata; `metadata` is its own, as it publishes it."""

    def __init__(
        self,
        folder: Path,
        service_provider: bytes,
        *,
        sign_response: bool = True,
        sign_assertion: bool = True,
        validate: bool = False,
    ) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"http://127.0.0.1:{free.getsockname()[1]}"
        for name in ("", "temp", "sessions", "metadata"):
            (folder / name).mkdir(exist_ok=True)
        switches = {"sign_response": sign_response, "sign_assertion": sign_assertion, "validate": validate}
        values = {
            "address": self.address,
            "folder": str(folder),
            "entity": ENTITY,
            "user": USER,
            "password": PASSWORD,
            **{name: str(value).lower() for name, value in switches.items()},
        }
        key, certificate = key_and_certificate("idp.example.com")
        for name, text in {
            "config.php": _CONFIG % values,
            "authsources.php": _SOURCES % values,
            "metadata/saml20-idp-hosted.php": _HOSTED % values,
            "server.pem": key,
            "server.crt": certificate,
        }.items():
            (folder / name).write_text(text)
        (folder / "sp.xml").write_bytes(service_provider)
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            ["php", "-d", "error_reporting=0", "-S", self.address.removeprefix("http://"), "-t", str(WWW)],
            env={**os.environ, "SIMPLESAMLPHP_CONFIG_DIR": str(folder)},
            stdout=self._log,
            stderr=self._log,
        )
        self.metadata = self._published()

    def _published(self) -> str:
        for _ in range(100):
            try:
                answer = httpx.get(f"{self.address}/saml2/idp/metadata.php", timeout=20)
            except httpx.TransportError:
                time.sleep(0.1)
                continue
            assert answer.status_code == 200, answer.text
            return answer.text
        raise AssertionError("simplesamlphp did not start")

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._log.close()
