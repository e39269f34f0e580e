"""SQLite: a directory of database files, with the face of the servers, so that data is loaded and configured alike. No process runs."""

import os
import sqlite3

from servers.process import data_directory


class Sqlite:
    name = "SQLite"
    kind = "sqlite"
    pid = None
    version = sqlite3.sqlite_version

    def __init__(self):
        self.directory = data_directory() / "sqlite"

    def start(self):
        self.directory.mkdir(exist_ok=True)
        return self

    def stop(self):
        pass

    def path(self, database):
        return os.fspath(self.directory / f"{database}.sqlite")

    def connect(self, database):
        return sqlite3.connect(self.path(database), isolation_level=None)
