"""MariaDB, set up as for a real installation of its size, but without waiting for the disk. It must not know what is in its databases."""

import os
import secrets
import shutil
import subprocess

import pymysql

from servers.process import Failed, as_user, data_directory, free_port, give_to, listens, run, secret, stop, wait_until

SETTINGS = [
    "--bind-address=127.0.0.1",
    "--skip-name-resolve",
    "--innodb-buffer-pool-size=512M",
    "--innodb-log-file-size=256M",
    "--innodb-flush-log-at-trx-commit=0",
    "--innodb-flush-method=nosync",
    "--innodb-doublewrite=0",
    "--character-set-server=utf8mb4",
    "--collation-server=utf8mb4_general_ci",
    "--local-infile=1",
]


class MariaDb:
    """A server with the databases of earlier runs."""

    name = "MariaDB"
    kind = "mysql"
    user = "mysql"

    def __init__(self):
        self.server = shutil.which("mariadbd")
        if not self.server:
            raise Failed("MariaDB is not installed")
        self.directory = data_directory() / "mariadb"
        self.directory.mkdir(mode=0o700, exist_ok=True)
        give_to(self.user, self.directory)
        self.process = None

    def start(self):
        self.password = secret(self.directory / "password", lambda: secrets.token_hex(12))
        data = self.directory / "data"
        if not (self.directory / "made").exists():
            run(["rm", "-rf", str(data)])
            made = [f"--datadir={data}", "--auth-root-authentication-method=normal", "--skip-test-db"]
            run(as_user(self.user, [shutil.which("mariadb-install-db"), "--no-defaults", *made]))
            (self.directory / "made").touch()
        # Run before the server listens: it makes the one user that comes over TCP.
        begin = self.directory / "begin.sql"
        begin.touch(mode=0o600)
        begin.write_text(
            f"CREATE OR REPLACE USER 'portico'@'127.0.0.1' IDENTIFIED BY '{self.password}';\n"
            "GRANT ALL ON *.* TO 'portico'@'127.0.0.1';\nDROP USER IF EXISTS 'root'@'localhost';\n"
        )
        give_to(self.user, begin)
        self.port = free_port()
        own = [f"--datadir={data}", f"--port={self.port}", f"--socket={self.directory / 'server.sock'}", f"--init-file={begin}"]
        # It changes to the user itself, so that the process is the server's own and no program stands between.
        if os.geteuid() == 0:
            own.append(f"--user={self.user}")
        command = [self.server, "--no-defaults", *own, *SETTINGS]
        log = self.directory / "server.log"
        with open(log, "w") as output:
            self.process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, cwd="/")
        wait_until(lambda: listens(self.port), 60, "MariaDB", self.process, log)
        self.pid = self.process.pid
        self.version = self.rows(None, "select version()")[0][0].split("-")[0]
        return self

    def stop(self):
        if self.process:
            stop(self.process, 60)
            self.process = None

    def url(self, database):
        return f"mysql://portico:{self.password}@127.0.0.1:{self.port}/{database}"

    def connect(self, database):
        login = {"user": "portico", "password": self.password, "host": "127.0.0.1", "port": self.port}
        return pymysql.connect(**login, database=database, autocommit=True, local_infile=True)

    def rows(self, database, sql):
        with self.connect(database) as connection, connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()
