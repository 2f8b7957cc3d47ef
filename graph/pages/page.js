// What the two pages do. Everything shown is set as text, never as HTML.
const token = location.hash.slice(1);
const find = (selector) => document.querySelector(selector);

const OPEN = `query OpenInvitation($token: String!) { invitationByToken(token: $token) {
  name username platform organizations invitedBy providerKind providerName providerPrefix expiresAt } }`;
const ACCEPT = `mutation AcceptInvitation($input: AcceptInvitationInput!) { acceptInvitation(input: $input) {
  user { username } errors { code message } } }`;
const RESET = `mutation ResetPassword($input: ResetPasswordInput!) { resetPassword(input: $input) {
  user { username } errors { code message } } }`;
const AGAIN = "Ask for a new one.";

function tell(text) {
  find("#told").textContent = text;
}

function fault(text) {
  const place = find("#fault");
  place.hidden = !text;
  place.textContent = text;
  if (text) place.focus();
}

function end(text) {
  for (const form of document.forms) form.hidden = true;
  tell(text);
}

/** The last words of a page that did its work: with the way to sign in. */
function welcome(text) {
  end(text);
  find("#sign-in").hidden = false;
}

/** The organizations that somebody is invited to, and the platform that they are part of. */
function placeOf({ organizations, platform }) {
  const others = organizations.filter((name) => name !== platform);
  if (!others.length) return platform;
  return `${new Intl.ListFormat("en").format(others)} (${platform})`;
}

/** The data of an operation; an Error with a sentence for people where there is none. */
async function ask(query, variables) {
  let body;
  try {
    const answer = await fetch("graphql", {
      method: "POST",
      headers: { "Content-Type": "application/json", Accept: "application/graphql-response+json" },
      body: JSON.stringify({ query, variables }),
      credentials: "omit",
    });
    body = await answer.json();
  } catch {
    throw new Error("The server did not answer. Check your connection and try again.");
  }
  if (body.errors) throw new Error(body.errors.map((error) => error.message).join(" "));
  return body.data;
}

/** Runs `work` at a press of the form's button, which rests meanwhile. */
function submits(form, work) {
  const show = form.elements.show;
  show?.addEventListener("change", () => (form.elements.password.type = show.checked ? "text" : "password"));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = form.querySelector("button");
    button.disabled = true;
    fault("");
    try {
      await work();
    } catch (error) {
      fault(error.message);
    } finally {
      button.disabled = false;
    }
  });
  form.hidden = false;
}

function refusals(payload, broken) {
  return payload.errors.map((each) => (each.code === "INVALID_TOKEN" ? broken : each.message)).join(" ");
}

async function invitation() {
  const broken = `This link no longer works: it was used, replaced or taken back, or its time is over. ${AGAIN}`;
  const open = (await ask(OPEN, { token })).invitationByToken;
  if (!open) return end(broken);
  const until = new Date(open.expiresAt).toLocaleString(undefined, { dateStyle: "long", timeStyle: "short" });
  const who = open.invitedBy ? `${open.invitedBy} invites you` : "You are invited";
  const place = placeOf(open);
  tell(`${who} to ${place}. The invitation holds until ${until}.`);
  const provider = open.providerName;
  if (open.providerKind === "SAML") {
    const form = find("#saml");
    form.action = `saml/${encodeURIComponent(open.providerPrefix)}/login`;
    form.elements.invitation.value = token;
    form.querySelector("button").textContent = `Continue with ${provider}`;
    form.hidden = false;
    return;
  }
  const form = find("#accept");
  const takesPassword = open.providerKind === "LOCAL";
  if (!takesPassword) for (const each of form.querySelectorAll("[data-if=password]")) each.remove();
  form.elements.username.value = open.username;
  form.elements.name.value = open.name ?? "";
  submits(form, async () => {
    const input = { token, name: form.elements.name.value || undefined };
    if (takesPassword) input.password = form.elements.password.value;
    const payload = (await ask(ACCEPT, { input })).acceptInvitation;
    if (payload.errors.length) throw new Error(refusals(payload, broken));
    history.replaceState(null, "", location.pathname);
    const way = takesPassword ? "with your new password" : `with your password of ${provider}`;
    welcome(`Welcome to ${place}. You can sign in as ${open.username} now, ${way}.`);
  });
}

async function passwordReset() {
  const broken = `This link no longer works: it was used or replaced, or its time is over. ${AGAIN}`;
  const form = find("#reset");
  tell("Choose the password that you will sign in with from now on.");
  submits(form, async () => {
    const input = { token, newPassword: form.elements.password.value };
    const payload = (await ask(RESET, { input })).resetPassword;
    if (payload.errors.length) throw new Error(refusals(payload, broken));
    history.replaceState(null, "", location.pathname);
    welcome("Your new password is set. You can sign in with it now.");
  });
}

addEventListener("hashchange", () => location.reload()); /* another link, opened in the same tab */
if (!token) {
  end("This link is not complete. Copy the whole link from the letter, up to its end.");
} else {
  (document.body.dataset.page === "invitation" ? invitation() : passwordReset()).catch((error) => {
    tell("That did not work.");
    fault(error.message);
  });
}
