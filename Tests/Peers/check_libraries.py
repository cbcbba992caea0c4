"""Checks libraries of `slm serve`: OpenAI's client with files, vector stores and `file_search`; kill -9 while files are read; a full disk; a second server.

    Tests/Peers/check_libraries.py .build/release/slm .build/release/CheckpointWriter

A tmpfs, which only root can mount, is the full disk; without it, that part is skipped, and said.
"""
import os
import random
import sys
import time
import zipfile

import openai
from check_openai import refused
from programs import run, scratch_folder
from served import UNLIMITED, Server
from small_disk import Disk

PUMP = "# Pump P200\n\n## Reset\n\nHold the red button for 5 seconds.\n\n## Error codes\n\nE2: the motor is too hot.\n"


def client_of(server, name="ada"):
    key = server.ask("POST", "/api/keys", {"name": "k"}, server.account(name))[1]["key"]
    return openai.OpenAI(base_url=server.url + "/v1", api_key=key, max_retries=0)


def docx(path, text):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", f'<w:document xmlns:w="w"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:document>')
    return path


def check_client(server, folder):
    with client_of(server) as client, client_of(server, "eve") as eve:
        (folder / "pump.md").write_text(PUMP)
        (folder / "noise.bin").write_bytes(random.Random(1).randbytes(3000))
        # 64 MB of zeros in 64 KB: more than is read of a file.
        with zipfile.ZipFile(folder / "bomb.docx", "w", zipfile.ZIP_DEFLATED) as archive, archive.open("word/document.xml", "w", force_zip64=True) as entry:
            for _ in range(64):
                entry.write(bytes(1 << 20))
        docx(folder / "valve.docx", "The valve turns left.")
        store = client.vector_stores.create(name="Garden")
        assert store.name == "Garden" and store.status == "completed" and store.file_counts.total == 0, store
        for name, status in [("pump.md", "completed"), ("noise.bin", "failed"), ("bomb.docx", "failed"), ("valve.docx", "completed")]:
            with open(folder / name, "rb") as file:
                added = client.vector_stores.files.upload_and_poll(vector_store_id=store.id, file=file, poll_interval_ms=100)
            assert added.status == status and (added.last_error is None) == (status == "completed"), added
        store = client.vector_stores.retrieve(store.id)
        assert (store.file_counts.completed, store.file_counts.failed, store.status) == (2, 2, "completed"), store
        pump = next(file for file in client.files.list() if file.filename == "pump.md")
        assert client.files.content(pump.id).read() == PUMP.encode() and pump.bytes == len(PUMP)
        found = client.vector_stores.search(store.id, query="which way does the valve turn?", max_num_results=2).data
        assert found[0].filename == "valve.docx" and found[0].content[0].text == "The valve turns left." and found[0].score == 1, found
        assert [part.text for part in client.vector_stores.files.content(pump.id, vector_store_id=store.id)][0] == "Hold the red button for 5 seconds."
        assert [file.id for file in client.vector_stores.files.list(store.id, order="asc")][0] == pump.id
        tools = [{"type": "file_search", "vector_store_ids": [store.id], "max_num_results": 1}]
        answer = client.responses.create(model="default", input="How do I reset the pump?", tools=tools, include=["file_search_call.results"], max_output_tokens=8)
        search, message = answer.output
        assert search.type == "file_search_call" and search.queries == ["How do I reset the pump?"] and message.type == "message", answer
        assert search.results[0].filename == "pump.md" and search.results[0].text == "Hold the red button for 5 seconds.", search
        with client.responses.stream(model="default", input="reset", tools=tools, max_output_tokens=8) as stream:
            events = list(stream)
        assert "response.file_search_call.completed" in [event.type for event in events], events
        assert events[-1].type == "response.incomplete" and [item.type for item in events[-1].response.output] == ["file_search_call", "message"], events[-1]
        follow = client.responses.create(model="default", input="And then?", previous_response_id=answer.id, max_output_tokens=4)
        assert [item.type for item in follow.output] == ["message"], follow
        for call in [lambda: eve.vector_stores.retrieve(store.id), lambda: eve.files.retrieve(pump.id), lambda: eve.vector_stores.delete(store.id),
                     lambda: eve.vector_stores.search(store.id, query="x")]:
            refused(openai.NotFoundError, None, call)
        refused(openai.NotFoundError, "tools", lambda: eve.responses.create(model="default", input="x", tools=tools))
        with open(folder / "pump.md", "rb") as one, open(folder / "noise.bin", "rb") as other:
            batch = client.vector_stores.file_batches.upload_and_poll(store.id, files=[one, other], poll_interval_ms=100)
        counts = batch.file_counts
        assert (batch.status, counts.completed, counts.failed, counts.total) == ("completed", 1, 1, 2), batch
        assert {file.status for file in client.vector_stores.file_batches.list_files(batch.id, vector_store_id=store.id)} == {"completed", "failed"}
        refused(openai.NotFoundError, None, lambda: eve.vector_stores.file_batches.retrieve(batch.id, vector_store_id=store.id))
        renamed = client.vector_stores.update(store.id, name="Yard")
        assert renamed.name == "Yard" and client.vector_stores.files.delete(pump.id, vector_store_id=store.id).deleted
        assert client.files.delete(pump.id).deleted and client.vector_stores.delete(store.id).deleted
        refused(openai.NotFoundError, None, lambda: client.files.retrieve(pump.id))
    with openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0) as guest:
        refused(openai.AuthenticationError, None, lambda: guest.files.list())


def upload(server, token, library, name, data):
    return server.ask("POST", f"/api/libraries/{library}/files?name={name}", data, token, headers={"Content-Type": "application/octet-stream"})[0]


def states(server, token, library):
    return {file["name"]: file["state"] for file in server.get(f"/api/libraries/{library}", token)[1]["files"]}


def search(server, token, library, query):
    status, found = server.ask("POST", "/api/documents/search", {"query": query, "documents": [library], "limit": 50}, token)
    assert status == 200, found
    return {passage["file"] for passage in found["passages"]}


def check_kills(slm, checkpoint, folder, kills):
    """Kills the server at random moments; the program that reads files goes on. What was confirmed is stored, and at the end all of it is found."""
    choose = random.Random(7)
    database, documents = f"sqlite:{folder}/kills.db", folder / "kills"
    stored, token, library = [], None, None
    for turn in range(kills + 1):
        server = Server(slm, checkpoint, *UNLIMITED, "--documents-dir", documents, database=database)
        with server:
            if token is None:
                token = server.account("ada")
                library = server.ask("POST", "/api/libraries", {"name": "Notes"}, token)[1]["id"]
            if turn == kills:
                server.wait(lambda: set(states(server, token, library).values()) == {"ready"}, 120)
                assert set(states(server, token, library)) == set(stored)
                for name in stored:
                    assert search(server, token, library, "number" + name.split(".")[0][1:]) == {name}, name
                break
            for _ in range(4):
                name = f"n{len(stored)}.txt"
                assert upload(server, token, library, name, f"The gauge number{len(stored)} is here.\n".encode() * 2000) == 201
                stored.append(name)
            time.sleep(choose.random() * 0.6)
            server.kill()
    print(f"{kills} times kill -9 while files were read: {len(stored)} files, all of them found")


def check_full_disk(slm, checkpoint, folder):
    with Disk(folder / "full", "3m") as disk:
        if disk.error:
            return print(f"a full disk: skipped, {disk.error}")
        with Server(slm, checkpoint, *UNLIMITED, "--documents-dir", disk.folder / "documents", database=f"sqlite:{folder}/full.db") as server:
            token = server.account("ada")
            library = server.ask("POST", "/api/libraries", {"name": "Notes"}, token)[1]["id"]
            assert upload(server, token, library, "small.txt", b"The small gauge.") == 201
            server.wait(lambda: states(server, token, library) == {"small.txt": "ready"})
            # It fits neither as a file nor as an index.
            assert upload(server, token, library, "large.txt", b"The large gauge is long.\n" * 200_000) == 201
            server.wait(lambda: "cannot index the library" in server.log_text())
            assert search(server, token, library, "small") == {"small.txt"} and states(server, token, library)["large.txt"] == "waiting"
            assert server.get("/api/health")[0] == 200
            disk.resize("200m")
            # Another change is a reason to try again at once.
            assert upload(server, token, library, "third.txt", b"The third gauge.") == 201
            server.wait(lambda: set(states(server, token, library).values()) == {"ready"})
            assert search(server, token, library, "large") == {"large.txt"}
    print("a full disk: the old index is searched, and the new files are read when there is space again")


def check_second_server(slm, checkpoint, folder):
    database = f"sqlite:{folder}/shared.db"
    with Server(slm, checkpoint, *UNLIMITED, "--documents-dir", folder / "a", database=database) as first, \
            Server(slm, checkpoint, *UNLIMITED, "--documents-dir", folder / "b", database=database) as second:
        token = first.account("ada")
        library = first.ask("POST", "/api/libraries", {"name": "Notes"}, token)[1]["id"]
        assert upload(first, token, library, "a.txt", b"The gauge.") == 201
        second.wait(lambda: search(second, token, library, "gauge") == {"a.txt"})
        assert second.ask("DELETE", f"/api/libraries/{library}", token=token)[0] == 204
        first.wait(lambda: not (folder / "a" / library).exists())
    print("a second server finds what was uploaded to the first, and deletes it")


def main():
    slm, writer = map(os.path.abspath, sys.argv[1:3])
    with scratch_folder() as folder:
        parrot = folder / "parrot.h5"
        run(writer, "parrot", parrot, 100_000)
        with Server(slm, parrot, *UNLIMITED) as server:
            check_client(server, folder)
        check_second_server(slm, parrot, folder)
        check_kills(slm, parrot, folder, kills=6)
        check_full_disk(slm, parrot, folder)
    print(f"OpenAI's client {openai.__version__}: files, vector stores, search, the tool file_search")


if __name__ == "__main__":
    main()
