"""Writing a migration for changed models: `make migrations`."""

import sys

from tortoise.cli.cli import main

from models.migrate import config

CONFIG = config("sqlite://.data/unused.sqlite3")  # what Tortoise's own command reads; nothing is opened there


if __name__ == "__main__":
    sys.argv = ["tortoise", "-c", "models.make_migrations.CONFIG", "makemigrations", *sys.argv[1:]]
    main()
