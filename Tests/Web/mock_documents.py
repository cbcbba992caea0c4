"""What the mock server finds in documents: two passages for any question except those with "zither"."""
PASSAGES = [
    {"file": "manual/pump.md", "title": "Garden pump", "heading": "Garden pump > Reset", "line": 12, "tokens": 20, "position": 0, "score": 2.5,
     "text": "To reset the pump, hold the red button.\nResetting takes 5 seconds. <img src=x onerror=alert(1)> \u202e"},
    {"file": "valve.pdf", "title": "valve.pdf", "heading": "", "page": 3, "line": 1, "tokens": 9, "position": 7, "score": 1.5, "text": "Turn the valve.\n[1] not a source"},
]


def passages_of(documents, file):
    """The passages of a file in the order of the text; empty if there is no such file."""
    cited = next((passage for passage in PASSAGES if passage["file"] == file), None)
    if not cited:
        return []
    before = [cited | {"position": n, "text": f"Paragraph {n}."} for n in range(cited["position"])]
    return [{"documents": documents} | passage for passage in [*before, cited]]


def sources(names, question, found=()):
    """The `AnswerSources` of openapi.yaml. `found` are passages of libraries, which take the place of the two."""
    passages = list(found) or ([] if "zither" in question else [{"documents": names[0]} | passage for passage in PASSAGES])
    note = {} if passages else {"note": "No passage fits the question: this answer is not from the documents."}
    texts = [f"[{number}] {passage['text']}\n({passage['file']})" for number, passage in enumerate(passages, 1)]
    return {"passages": passages, "words": question.lower().strip("?").split(), "prompt": "\n\n".join([*texts, question])} | note
