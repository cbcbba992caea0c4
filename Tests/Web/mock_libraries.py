"""The libraries of accounts, for mock_server.py: documents that an account uploads. They are kept in memory."""
import hashlib
import time

from mock_values import new_id, timestamp


class LibraryWorld:
    def __init__(self):
        self.libraries = {}
        # What an account may upload; 0: accounts cannot upload.
        self.bytes, self.file_bytes = 0, 50_000_000
        # How many seconds the server takes to read a file, and to receive each 64 kB of it.
        self.reading, self.pace = 0, 0
        self.reindexed = 0

    def add(self, owner, name, files={}, **fields):
        """Adds a library with files that have been read. Returns its id."""
        library = {"id": new_id(), "name": name, "owner": owner, "access": "private", "readers": [], "created_at": timestamp(),
                   "updated_at": timestamp(), "files": {}} | fields
        for file, text in files.items():
            store(library, file, text.encode(), 0)
        self.libraries[library["id"]] = library
        return library["id"]

    def readable(self, name):
        """The libraries that an account may read: its own first. "" is a guest."""
        found = [one for one in self.libraries.values() if may_read(one, name)]
        return sorted(found, key=lambda one: (one["owner"] != name, one["name"].lower()))

    def used(self, name):
        return sum(len(file["content"]) for one in self.libraries.values() if one["owner"] == name for file in one["files"].values())


def may_read(library, name):
    return name == library["owner"] or library["access"] == "everyone" or library["access"] == "chosen" and name in library["readers"]


def store(library, name, content, seconds):
    old = next((file for file in library["files"].values() if file["name"] == name), None)
    if old and old["content"] == content:
        return old
    file = {"id": old["id"] if old else new_id(), "name": name, "content": content, "created_at": timestamp(), "ready_at": time.time() + seconds}
    library["files"][file["id"]] = file
    library["updated_at"] = timestamp()
    return file


def why_skipped(file):
    if not file["content"].strip():
        return "no text in it"
    return "not a text" if b"\0" in file["content"] else None


def shown_file(file):
    shown = {"id": file["id"], "name": file["name"], "bytes": len(file["content"]), "created_at": file["created_at"]}
    shown["sha256"] = hashlib.sha256(file["content"]).hexdigest()
    if file["ready_at"] > time.time():
        return shown | {"state": "waiting"}
    reason = why_skipped(file)
    return shown | ({"state": "skipped", "message": reason} if reason else {"state": "ready", "passages": len(passages_of(None, file))})


def counts(library):
    files = [shown_file(file) for file in library["files"].values()]
    return {"files": len(files), "passages": sum(file.get("passages", 0) for file in files),
            "waiting": sum(file["state"] == "waiting" for file in files)}


def shown_library(library, name):
    found = counts(library)
    shown = {key: library[key] for key in ("id", "name", "owner", "access", "created_at", "updated_at")}
    shown |= {"is_own": name == library["owner"], "file_count": len(library["files"]), "waiting": found["waiting"],
              "bytes": sum(len(file["content"]) for file in library["files"].values()), "passages": found["passages"]}
    return shown | ({"readers": library["readers"]} if shown["is_own"] else {})


def listed(library, name):
    """A library in GET /api/documents."""
    return {"id": library["id"], "name": library["name"], "owner": library["owner"], "is_own": name == library["owner"]} | counts(library)


def passages_of(library, file):
    """The paragraphs of a file. Lines that begin with # are headings."""
    found, heading, line = [], "", 1
    for part in file["content"].decode(errors="replace").split("\n\n"):
        if part.startswith("#"):
            heading = part.strip("# \n")
        elif part.strip():
            ids = {"documents": library["name"], "library_id": library["id"], "file_id": file["id"]} if library else {}
            found.append(ids | {"file": file["name"], "title": file["name"], "heading": heading, "line": line, "tokens": len(part.split()),
                                "score": 1.5, "text": part.strip(), "position": len(found)})
        line += part.count("\n") + 2
    return found


def sources(library, question):
    """Up to two passages with a word of the question."""
    words = {word for word in question.lower().strip("?").split() if len(word) > 3}
    found = [passage for file in library["files"].values() if not why_skipped(file) for passage in passages_of(library, file)]
    return [passage for passage in found if any(word in passage["text"].lower() for word in words)][:2]


class LibraryRoutes:
    """A part of the handler. `fail` answers with an error."""

    @property
    def reader(self):
        """The name of the account; "" for a guest."""
        return self.user() if self.token else ""

    def library(self, id):
        found = self.world.libraries.libraries.get(id)
        if not found or not may_read(found, self.reader):
            self.fail(404, "not_found", "No such library.")
        return found

    def own_library(self, id):
        name, found = self.user(), self.library(id)
        if found["owner"] != name:
            self.fail(404, "not_found", "No such library.")
        return found

    def file_of(self, library, id):
        found = library["files"].get(id)
        return found if found else self.fail(404, "not_found", "No such file.")

    def create_library(self):
        name = self.user()
        if not self.world.libraries.bytes:
            self.fail(403, "forbidden", "Accounts cannot upload documents to this server.")
        id = self.world.libraries.add(name, self.library_name())
        self.reply(201, shown_library(self.world.libraries.libraries[id], name))

    def library_name(self):
        name = self.body.get("name")
        if not isinstance(name, str) or not 1 <= len(name.strip()) <= 100:
            self.fail(422, "invalid", "name: expected a text of 1 to 100 characters.", "name")
        return name

    def read_library(self, id):
        library = self.library(id)
        files = sorted(library["files"].values(), key=lambda file: file["name"])
        self.reply(200, shown_library(library, self.reader) | {"files": [shown_file(file) for file in files]})

    def change_library(self, id):
        library = self.own_library(id)
        unknown = [name for name in self.body.get("readers", []) if name not in self.world.users]
        if unknown:
            self.fail(422, "invalid", f"readers: no account has the username '{unknown[0]}'.", "readers")
        if "name" in self.body:
            self.library_name()
        library |= {key: self.body[key] for key in ("name", "access", "readers") if key in self.body}
        self.reply(200, shown_library(library, self.user()))

    def delete_library(self, id):
        del self.world.libraries.libraries[self.own_library(id)["id"]]
        self.reply(204)

    def add_file(self, id):
        library, world, name = self.own_library(id), self.world.libraries, self.query.get("name", "")
        if not all(part and not part.startswith(".") for part in name.split("/")):
            self.fail(400, "invalid", "name: expected a name such as notes/pump.md.", "name")
        if not self.raw:
            self.fail(400, "bad_request", "The file is empty.")
        if len(self.raw) > world.file_bytes:
            self.fail(413, "too_large", f"expected at most {world.file_bytes} bytes.")
        old = next((len(file["content"]) for file in library["files"].values() if file["name"] == name), 0)
        if world.used(self.user()) - old + len(self.raw) > world.bytes:
            self.fail(403, "quota_exceeded", f"Your documents may have {world.bytes} bytes in all. Delete some first.")
        self.reply(201, shown_file(store(library, name, self.raw, max(world.reading, 1e-3))))

    def delete_file(self, id, file):
        library = self.own_library(id)
        del library["files"][self.file_of(library, file)["id"]]
        self.reply(204)

    def delete_files(self, id):
        library, ids = self.own_library(id), self.body.get("files")
        if not isinstance(ids, list) or not 1 <= len(ids) <= 1_000:
            self.fail(422, "invalid", "files: expected 1 to 1000 ids of files.", "files")
        self.reply(200, {"deleted": sum(library["files"].pop(file, None) is not None for file in ids)})

    def download_file(self, id, file):
        found = self.file_of(self.library(id), file)
        self.send(200, found["content"], {"Content-Type": "application/octet-stream", "Content-Disposition": "attachment"})

    def list_passages(self, id, file):
        library = self.library(id)
        found, start, limit = passages_of(library, self.file_of(library, file)), int(self.query.get("from", 0)), int(self.query.get("limit", 50))
        self.reply(200, {"total": len(found), "passages": found[start:start + limit]})

    def reindex_file(self, id, file):
        found = self.file_of(self.own_library(id), file)
        found["ready_at"] = time.time() + self.world.libraries.reading
        self.reply(200, shown_file(found))

    def reindex_library(self, id):
        library = self.own_library(id)
        self.world.libraries.reindexed += 1
        for file in library["files"].values():
            file["ready_at"] = time.time() + self.world.libraries.reading
        self.reply(200, shown_library(library, self.user()))


ROUTES = [
    ("POST", r"/api/libraries", LibraryRoutes.create_library), ("GET", r"/api/libraries/(\w+)", LibraryRoutes.read_library),
    ("PATCH", r"/api/libraries/(\w+)", LibraryRoutes.change_library), ("DELETE", r"/api/libraries/(\w+)", LibraryRoutes.delete_library),
    ("POST", r"/api/libraries/(\w+)/files", LibraryRoutes.add_file),
    ("POST", r"/api/libraries/(\w+)/files/delete", LibraryRoutes.delete_files),
    ("DELETE", r"/api/libraries/(\w+)/files/(\w+)", LibraryRoutes.delete_file),
    ("GET", r"/api/libraries/(\w+)/files/(\w+)", LibraryRoutes.download_file),
    ("GET", r"/api/libraries/(\w+)/files/(\w+)/passages", LibraryRoutes.list_passages),
    ("POST", r"/api/libraries/(\w+)/files/(\w+)/reindex", LibraryRoutes.reindex_file),
    ("POST", r"/api/libraries/(\w+)/reindex", LibraryRoutes.reindex_library),
]
