"""Compares backups of `slm admin backup` with what tar, sha256sum, sqlite3 and psql read, and restores backups that Python has written.

    Tests/Peers/check_backup.py .build/release/slm
"""
import contextlib
import gzip
import hashlib
import io
import json
import os
import pathlib
import random
import shutil
import sqlite3
import subprocess
import sys
import tarfile

from kill_store import PostgreSQL
from programs import run, scratch_folder
from small_disk import Disk

TEXTS = ["", "why?\n\t\"\\", "ü 漢字 🇺🇦 e\u0301 \u2028\u0085\ufeff", "\x01\x1f\x7f", "\\N", "NULL", "'; DROP TABLE users; --",
         "long ä " * 100_000]
SCHEMA = 1


def rows():
    """The rows of a backup by table. Columns that may be NULL, or have a default, can be missing."""
    def message(i):
        row = {"id": f"{i:026}", "conversation_id": "c".zfill(26), "position": i, "role": ["user", "assistant"][i % 2], "content": TEXTS[i],
               "ordinal": i, "created_at": 1_700_000_000_000 + i}
        return row if i % 2 == 0 else row | {"reason": "stop", "answer_tokens": 2**62 + i, "seconds": 1 / 3, "first_token_seconds": 1e-300}

    return {
        "users": [{"id": "a".zfill(26), "username": "Ada", "username_key": "ada", "password_hash": "$2b$12$hash", "created_at": 0,
                   "last_active_at": -1, "token_epoch": 3}],
        "settings": [{"name": "n", "value": ""}],
        "conversations": [{"id": "c".zfill(26), "owner_id": "a".zfill(26), "title": TEXTS[2], "created_at": 0,
                           "updated_at": 1, "message_count": len(TEXTS), "characters": sum(map(len, TEXTS))}],
        "messages": [message(i) for i in range(len(TEXTS))],
        "audit_log": [{"number": n, "id": f"{n:026}", "created_at": n, "actor": "admin", "address": "", "action": "user.create"}
                      for n in (3, 7)],
    }


def write(path, tables):
    """Writes a backup as Documentation/Reference/Backup.md describes it."""
    manifest = {"format": "slm backup", "format_version": 1, "created_at": "2026-11-21T12:00:00.000Z", "created_by": "Python",
                "database": "sqlite", "schema_version": SCHEMA, "tables": [{"name": n, "rows": len(r)} for n, r in tables.items()],
                "checkpoints": []}
    files = {"backup.json": json.dumps(manifest).encode()}
    for name, content in tables.items():
        lines = "".join(json.dumps(row, ensure_ascii=name == "users") + "\n" for row in content)
        files[f"tables/{name}.jsonl.gz"] = gzip.compress(lines.encode())
    files["SHA256SUMS"] = "".join(f"{hashlib.sha256(data).hexdigest()}  {name}\n" for name, data in files.items()).encode()
    with tarfile.open(path, "w", format=tarfile.USTAR_FORMAT) as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))


def read(path, folder):
    """The rows of a backup, unpacked and checked with tar and sha256sum."""
    folder.mkdir()
    run("tar", "xf", path, "-C", folder)
    run("sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS", cwd=folder)
    manifest = json.loads((folder / "backup.json").read_text())
    tables = {}
    for table in manifest["tables"]:
        with gzip.open(folder / "tables" / f"{table['name']}.jsonl.gz", "rt", newline="\n") as lines:
            tables[table["name"]] = [json.loads(line) for line in lines]
        assert len(tables[table["name"]]) == table["rows"], table
    return tables


def contains(found, expected):
    """Whether the rows are those expected; migrations may have added columns."""
    return len(found) == len(expected) and all(any(row.items() >= wanted.items() for row in found) for wanted in expected)


def restore_on_full_disk(slm, folder, database):
    """A restore into a tablespace on a full file system fails with a sentence, leaves the database empty, and can be repeated."""
    with Disk(folder / "disk", "4m") as disk:
        if disk.error:
            return print(f"skipped: a restore on a full disk ({disk.error})")
        psql = database.query
        psql("CREATE SCHEMA small")
        tables = rows()
        letters = random.Random(1)
        # Random text, so that PostgreSQL cannot compress it: 9 MB.
        tables["messages"] = [{"id": f"{i:026}", "conversation_id": "c".zfill(26), "position": i, "role": "user", "ordinal": i,
                               "content": letters.randbytes(15_000).hex(), "created_at": i} for i in range(300)]
        tables["conversations"][0]["message_count"] = 300
        write(folder / "large.tar", tables)
        space = disk.folder / "space"
        space.mkdir()
        shutil.chown(space, pathlib.Path(psql("SHOW data_directory")).owner())
        os.chmod(folder, 0o755)
        psql(f"CREATE TABLESPACE small LOCATION '{space}'")
        url = f"{database.address}?options=-csearch_path%3Dsmall%20-cdefault_tablespace%3Dsmall"

        def restore(*options):
            command = [slm, "admin", "restore", "--from", folder / "large.tar", "--database", url, *options]
            return subprocess.run(command, capture_output=True, text=True)

        def tables_of_schema():
            return psql("SELECT count(*) FROM pg_tables WHERE schemaname = 'small'")

        full = restore("--quiet")
        assert full.returncode == 1 and full.stdout == "", full
        assert full.stderr.count("\n") == 1 and "no space left for" in full.stderr and "No space left on device" in full.stderr, full.stderr
        assert tables_of_schema() == "0"
        disk.resize("64m")
        assert restore("--quiet").returncode == 0
        assert psql("SELECT count(*), sum(length(content)) FROM small.messages") == "300|9000000"
        # A full disk changes nothing in a database that is replaced.
        before = psql("SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM small.messages AS m")
        disk.leave(2_000)
        replaced = restore("--replace")
        assert replaced.returncode == 1 and "no space left for" in replaced.stderr, replaced
        assert psql("SELECT md5(string_agg(m::text, '' ORDER BY id)) FROM small.messages AS m") == before
        psql("DROP SCHEMA small CASCADE")
        psql("DROP TABLESPACE small")
    print("a restore on a full disk fails with one sentence, changes nothing, and works when there is space")


def main(slm):
    with scratch_folder() as folder, contextlib.closing(PostgreSQL(folder)) as server:
        psql = server.query
        tables = rows()
        write(folder / "python.tar", tables)
        databases = {"sqlite": f"sqlite:{folder / 'chat.db'}", "postgresql": server.address}
        for kind, url in databases.items():
            run(slm, "admin", "restore", "--from", folder / "python.tar", "--database", url, "--quiet")

        database = sqlite3.connect(folder / "chat.db")
        assert [row[0] for row in database.execute("SELECT content FROM messages ORDER BY position")] == TEXTS
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        assert database.execute("SELECT email, last_active_at FROM users").fetchall() == [(None, -1)]
        assert database.execute("SELECT answer_tokens, seconds, first_token_seconds FROM messages WHERE position = 1").fetchall() == \
            [(2**62 + 1, 1 / 3, 1e-300)]
        database.close()
        assert json.loads(psql("SELECT json_agg(content ORDER BY position) FROM messages")) == TEXTS
        assert psql(f"SELECT count(*) FROM messages WHERE owner_id = '{'a'.zfill(26)}'") == str(len(TEXTS))
        assert psql("SELECT email IS NULL, last_active_at FROM users") == "t|-1"
        assert psql("SELECT nextval(pg_get_serial_sequence('audit_log', 'number'))") == "8"

        for kind, url in databases.items():
            run(slm, "admin", "backup", "--database", url, "--out", folder / f"{kind}.tar", "--quiet")
            found = read(folder / f"{kind}.tar", folder / kind)
            for table, expected in tables.items():
                assert contains(found[table], expected), (kind, table)
        restore_on_full_disk(slm, folder, server)
        count = sum(map(len, tables.values()))
        print(f"backups of and for SQLite and PostgreSQL: {count} rows equal, read by tar, sha256sum, sqlite3, psql")


main(sys.argv[1])
