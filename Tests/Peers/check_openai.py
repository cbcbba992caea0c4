"""Checks `slm serve` with OpenAI's Python client and with slm's own client backend: all supported fields, and errors.

    Tests/Peers/check_openai.py .build/release/slm .build/release/CheckpointWriter

The model generates one sentence, byte by byte. With a negative bias on its end token (256) it generates long texts.
"""
import asyncio
import json
import math
import os
import signal
import sys
import time
from typing import Literal, Optional

import jsonschema
import openai
import pydantic
from programs import run, scratch_folder
from served import Server, raised

SENTENCE = "Hi, you!é日"
LENGTH = len(SENTENCE.encode())
HELLO = [{"role": "user", "content": "Hello"}]
ENDLESS = {"logit_bias": {"256": -100}, "max_tokens": 90_000}
# One of 260 logits is 16.13 above the others.
LIKELY = -math.log1p(259 * math.exp(-16.13))
# With these biases, every byte is about equally likely.
ANYTHING = {"logit_bias": {"256": -100, "72": -16}, "max_tokens": 20, "temperature": 1, "extra_body": {"top_k": 0, "top_p": 1}}


def refused(kind, field, call):
    """Checks that `call` raises an error of this kind for this field, and returns it."""
    error = raised(kind, call)
    assert error.param == field, (field, error.param, str(error))
    return error


def check_chats(client):
    create = client.chat.completions.create
    whole = create(model="parrot", messages=HELLO, temperature=0, user="alex")
    assert whole.object == "chat.completion" and whole.id.startswith("chatcmpl-") and abs(whole.created - time.time()) < 60 and whole.model == "parrot"
    assert whole.choices[0].message.content == SENTENCE and whole.choices[0].message.role == "assistant"
    assert whole.choices[0].finish_reason == "stop" and whole.choices[0].logprobs is None
    assert whole.usage.completion_tokens == LENGTH and whole.usage.total_tokens == LENGTH + whole.usage.prompt_tokens
    again = create(model="default", messages=HELLO, temperature=0).usage
    assert again.prompt_tokens_details.cached_tokens == again.prompt_tokens == whole.usage.prompt_tokens, again

    chunks = list(create(model="parrot", messages=HELLO, temperature=0, stream=True, stream_options={"include_usage": True}))
    assert len({chunk.id for chunk in chunks}) == 1 and {chunk.object for chunk in chunks} == {"chat.completion.chunk"}
    assert chunks[0].choices[0].delta.role == "assistant" and chunks[-2].choices[0].finish_reason == "stop"
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == SENTENCE
    assert chunks[-1].choices == [] and chunks[-1].usage.completion_tokens == LENGTH and all(chunk.usage is None for chunk in chunks[:-1])

    parts = [{"role": "developer", "content": "Be kind."}, {"role": "user", "content": [{"type": "text", "text": "Hel"}, {"type": "text", "text": "lo"}], "name": "ada"}]
    assert create(model="parrot", messages=parts, temperature=0).choices[0].message.content == SENTENCE
    short = create(model="parrot", messages=HELLO, temperature=0, max_completion_tokens=2).choices[0]
    assert short.message.content == "Hi" and short.finish_reason == "length"
    for stop in ["you", ["zzz", ", "]]:
        answer = create(model="parrot", messages=HELLO, temperature=0, stop=stop).choices[0]
        assert answer.message.content == ("Hi, " if stop == "you" else "Hi") and answer.finish_reason == "stop", answer


def check_sampling(client):
    """`n` and `seed`: samples differ, and are the same for the same seed."""
    def texts(**fields):
        answer = client.chat.completions.create(model="parrot", messages=HELLO, **ANYTHING, **fields)
        return [choice.message.content for choice in sorted(answer.choices, key=lambda choice: choice.index)]

    three = texts(n=3, seed=7)
    assert three == texts(seed=7) + texts(seed=8) + texts(seed=9) and len(set(three)) == 3
    assert texts() != texts()
    assert len(texts(n=8)) == 8


def check_tokens(client):
    """Log-probabilities in both formats, logit_bias, prompts of token ids, echo."""
    chat = client.chat.completions.create(model="parrot", messages=HELLO, temperature=0, logprobs=True, top_logprobs=3).choices[0].logprobs.content
    assert bytes(byte for token in chat for byte in token.bytes).decode() == SENTENCE and len(chat) == LENGTH
    assert all(abs(token.logprob - LIKELY) < 2e-6 and len(token.top_logprobs) == 3 and token.top_logprobs[0].token == token.token for token in chat)
    stream = client.chat.completions.create(model="parrot", messages=HELLO, temperature=0, logprobs=True, stream=True)
    assert [token.bytes for chunk in stream for choice in chunk.choices if choice.logprobs for token in choice.logprobs.content] == [token.bytes for token in chat]

    create = client.completions.create
    text = create(model="parrot", prompt="Hi", temperature=0, logprobs=2).choices[0]
    assert text.text == SENTENCE[2:] and len(text.logprobs.tokens) == LENGTH - 2
    assert text.logprobs.text_offset == [0, 1, 2, 3, 4, 5, 6, 6, 7, 7, 7] and all(abs(logprob - LIKELY) < 2e-6 for logprob in text.logprobs.token_logprobs)
    assert all(len(ranked) == 2 for ranked in text.logprobs.top_logprobs) and text.logprobs.tokens[0] == ","
    assert create(model="parrot", prompt="H", max_tokens=3, temperature=0, logit_bias={"90": 100}).choices[0].text == "ZZZ"

    for prompts in [["H", "you"], [[72], [121, 111, 117]]]:
        answer = create(model="parrot", prompt=prompts, max_tokens=2, temperature=0, echo=True, n=2)
        assert [choice.text for choice in answer.choices] == ["Hi,", "Hi,", "you!", "you!"], answer
        assert answer.usage.prompt_tokens == 4 and answer.usage.completion_tokens == 8
    assert create(model="parrot", prompt=[72, 105], temperature=0).choices[0].text == SENTENCE[2:]
    for prompt in ["Hzi", [72, 122, 105]]:
        for most in [0, 1]:
            echoed = create(model="parrot", prompt=prompt, max_tokens=most, temperature=0, echo=True, logprobs=1).choices[0]
            assert len(echoed.text) == 3 + most and echoed.logprobs.tokens[:3] == ["H", "z", "i"] and echoed.logprobs.text_offset[:3] == [0, 1, 2]
            first, unlikely, _ = echoed.logprobs.token_logprobs[:3]
            assert first is None and -40 < unlikely < -10 and len(echoed.logprobs.tokens) == 3 + most
            assert echoed.logprobs.top_logprobs[0] is None and list(echoed.logprobs.top_logprobs[1]) == ["i"]
    ranked = create(model="parrot", prompt="Hi", max_tokens=1, extra_body={"prompt_logprobs": 1}).choices[0].prompt_logprobs
    assert ranked[0] is None and ranked[1]["105"]["rank"] == 1 and ranked[1]["105"]["decoded_token"] == "i", ranked
    best = create(model="parrot", prompt="H", n=1, best_of=4, seed=1, **ANYTHING)
    assert len(best.choices) == 1 and best.usage.completion_tokens == 4 * ANYTHING["max_tokens"] and best.choices[0].logprobs is None
    stopped = client.chat.completions.create(model="parrot", messages=HELLO, temperature=0, stop=["you"]).choices[0].message.content
    assert stopped == "Hi, ", stopped
    chunks = list(create(model="parrot", prompt="H", temperature=0, max_tokens=2, echo=True, stream=True))
    assert "".join(choice.text for chunk in chunks for choice in chunk.choices) == "Hi," and chunks[-1].choices[0].finish_reason == "length"


def check_errors(client):
    chat, text = client.chat.completions.create, client.completions.create
    missing = refused(openai.NotFoundError, "model", lambda: chat(model="gpt-4", messages=HELLO))
    assert missing.code == "model_not_found" and missing.type == "invalid_request_error"
    refused(openai.NotFoundError, "model", lambda: client.models.retrieve("gpt/4"))
    wrong = {"temperature": 3, "n": 9, "max_tokens": 0, "stop": [""], "seed": 0.5, "tools": "weather", "audio": {"voice": "x"},
             "logit_bias": {"1": 101}, "top_logprobs": 3}
    for field, value in wrong.items():
        for streams in [False, True]:
            refused(openai.BadRequestError, field, lambda: chat(model="parrot", messages=HELLO, stream=streams, extra_body={field: value}))
    for field, value in {"suffix": "x", "best_of": 9, "logprobs": 21, "prompt_logprobs": 21, "max_tokens": -1}.items():
        refused(openai.BadRequestError, field, lambda: text(model="parrot", prompt="H", extra_body={field: value}))
    refused(openai.BadRequestError, "messages[0].content", lambda: chat(model="parrot", messages=[{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]))
    long = refused(openai.BadRequestError, None, lambda: text(model="parrot", prompt="x" * 100_000, stream=True))
    assert long.code == "context_length_exceeded"


async def check_many(server):
    """Sixteen requests at once, half of them streams: each gets its own answer."""
    async with openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="any") as client:
        async def one(i):
            length = i % LENGTH + 1
            if i % 2:
                stream = await client.completions.create(model="parrot", prompt="H", temperature=0, max_tokens=length, stream=True)
                return "".join([choice.text async for chunk in stream for choice in chunk.choices])
            return (await client.completions.create(model="parrot", prompt="H", temperature=0, max_tokens=length)).choices[0].text

        answers = await asyncio.gather(*[one(i) for i in range(16)])
        # An incomplete UTF-8 character is not sent.
        assert answers == [SENTENCE[1:].encode()[:i % LENGTH + 1].decode(errors="ignore") for i in range(16)], answers


def check_disconnects(server, client):
    """A client that disconnects frees its slots at once, streaming or not."""
    stream = client.chat.completions.create(model="parrot", messages=HELLO, temperature=0, stream=True, n=2, **ENDLESS)
    next(iter(stream))
    assert server.queue() == {"running": 2, "waiting": 0}
    stream.close()
    server.wait_until_idle()
    try:
        client.with_options(timeout=0.3, max_retries=0).chat.completions.create(model="parrot", messages=HELLO, temperature=0.1, **ENDLESS)
        raise AssertionError("expected a timeout")
    except openai.APITimeoutError:
        server.wait_until_idle()


def check_keys(slm, checkpoint):
    with Server(slm, checkpoint, "--require-key", "--chats-per-minute", "2") as server:
        token = server.account("ada")
        made = server.ask("POST", "/api/keys", {"name": "test"}, token)[1]
        for wrong in ["any", "slm_" + "A" * 43, made["key"][:-1], token[:-2]]:
            client = openai.OpenAI(base_url=server.url + "/v1", api_key=wrong, max_retries=0)
            assert refused(openai.AuthenticationError, None, lambda: client.models.list()).type == "authentication_error"
            refused(openai.AuthenticationError, None, lambda: client.chat.completions.create(model="parrot", messages=HELLO))
        client = openai.OpenAI(base_url=server.url + "/v1", api_key=made["key"], max_retries=0)
        assert [model.id for model in client.models.list()] == ["parrot"]
        for _ in range(2):
            assert client.chat.completions.create(model="parrot", messages=HELLO, temperature=0).choices[0].message.content == SENTENCE
        limited = refused(openai.RateLimitError, None, lambda: client.chat.completions.create(model="parrot", messages=HELLO))
        assert int(limited.response.headers["retry-after"]) >= 1
        assert server.ask("DELETE", f"/api/keys/{made['id']}", token=token)[0] == 204
        refused(openai.AuthenticationError, None, lambda: client.models.list())


def check_slm_client(slm, server):
    """slm generate with `slm serve` as its backend."""
    def generate(*arguments):
        return json.loads(run(slm, "generate", "--backend", f"openai:{server.url}", "--json", "--temperature", "0", *arguments))

    answer = generate("--user", "Hello")
    assert (answer["text"], answer["finish_reason"], answer["answer_tokens"]) == (SENTENCE, "stop", LENGTH), answer
    answer = generate("--prompt", "Hi", "--max-tokens", "3", "--logprobs", "1")
    assert (answer["text"], answer["finish_reason"]) == (", y", "length") and len(answer["logprobs"]) == 3, answer


WEATHER = {"type": "function", "function": {"name": "weather", "description": "Current weather", "parameters": {
    "type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}


def check_tools(slm, writer, folder):
    """Tools and structured output, also through a server that has this one as its backend."""
    checkpoint = folder / "tools.h5"
    run(writer, "tools", checkpoint)
    with Server(slm, checkpoint, "--chats-per-minute", "0") as server, Server(slm, None, "--chats-per-minute", "0", "--backend", f"openai:{server.url}") as front:
        for url in (server.url, front.url):
            with openai.OpenAI(base_url=url + "/v1", api_key="any", max_retries=0) as client:
                request = {"model": client.models.list().data[0].id, "temperature": 0, "tools": [WEATHER], "messages": [{"role": "user", "content": "Weather in Rome?"}]}
                check_calls(client, request)
                check_required_calls(client, request)
                check_structured_output(client, request["model"])
        with openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0) as client:
            strict = {"type": "json_schema", "json_schema": {"name": "x", "strict": True, "schema": {"properties": {"a": {"pattern": "(?=x)"}}}}}
            question = {"model": "tools", "messages": [{"role": "user", "content": "Hello"}]}
            refused(openai.BadRequestError, "response_format.json_schema.schema.properties.a.pattern",
                    lambda: client.chat.completions.create(**question, response_format=strict))


def check_calls(client, request):
    """A function call and its result, as one object, as a stream, and with the client's own accumulation of chunks."""
    choice = client.chat.completions.create(**request).choices[0]
    call, = choice.message.tool_calls
    assert choice.finish_reason == "tool_calls" and choice.message.content == "Let me look."
    assert (call.type, call.function.name, json.loads(call.function.arguments)) == ("function", "weather", {"city": "Rome"})
    history = request["messages"] + [choice.message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "sunny"}]
    answer = client.chat.completions.create(**request | {"messages": history}).choices[0]
    assert answer.finish_reason == "stop" and answer.message.content == "It is sunny in Rome." and answer.message.tool_calls is None
    with client.chat.completions.stream(**request) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert streamed.finish_reason == "tool_calls" and streamed.message.content == "Let me look."
    assert json.loads(streamed.message.tool_calls[0].function.arguments) == {"city": "Rome"} and streamed.message.tool_calls[0].id
    plain = client.chat.completions.create(**request, tool_choice="none").choices[0]
    assert plain.finish_reason == "stop" and plain.message.content == "I cannot know."
    refused(openai.BadRequestError, "tool_choice", lambda: client.chat.completions.create(**request, tool_choice="always"))


def check_required_calls(client, request):
    """The model would say something before its call, and would call the other function."""
    zone = {"type": "object", "properties": {"zone": {"enum": ["UTC", "CET"]}, "hours": {"type": "integer"}}, "required": ["zone"]}
    tools = [WEATHER, {"type": "function", "function": {"name": "time", "parameters": zone}}]
    named = {"type": "function", "function": {"name": "time"}}
    allowed = {"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": [named]}}
    for choice, names in [("required", {"weather", "time"}), (named, {"time"}), (allowed, {"time"})]:
        answer = client.chat.completions.create(**request | {"tools": tools}, tool_choice=choice, max_tokens=300).choices[0]
        assert answer.finish_reason == "tool_calls" and not answer.message.content, answer
        for call in answer.message.tool_calls:
            schema = next(tool["function"]["parameters"] for tool in tools if tool["function"]["name"] == call.function.name)
            assert call.function.name in names, call
            jsonschema.validate(json.loads(call.function.arguments), schema)


def check_tools_in_messages(client):
    """The chat template of this model has no tools."""
    tool = {"type": "function", "function": {"name": "light", "parameters": {
        "type": "object", "properties": {"on": {"type": "boolean"}, "color": {"enum": ["red", "blue"]}}, "required": ["on", "color"]}}}
    request = {"model": "parrot", "messages": HELLO, "temperature": 0, "tools": [tool], "parallel_tool_calls": False}
    for choice in ("required", {"type": "function", "function": {"name": "light"}}):
        answer = client.chat.completions.create(**request, tool_choice=choice).choices[0]
        call, = answer.message.tool_calls
        assert answer.finish_reason == "tool_calls" and call.function.name == "light", answer
        jsonschema.validate(json.loads(call.function.arguments), tool["function"]["parameters"])
    with client.chat.completions.stream(**request, tool_choice="required") as stream:
        assert stream.get_final_completion().choices[0].message.tool_calls[0].function.arguments == call.function.arguments
    history = HELLO + [answer.message.model_dump(exclude_none=True), {"role": "tool", "tool_call_id": call.id, "content": "on"}]
    for more in ({"messages": history}, {"tool_choice": "none"}, {}):
        assert client.chat.completions.create(**request | more).choices[0].message.content == SENTENCE, more


class Place(pydantic.BaseModel):
    city: Literal["Rome", "Paris", "Ville \"Lumière\""]
    size: int
    tags: list[Literal["old", "large"]] = pydantic.Field(max_length=3)
    mayor: Optional["Place"]


SCHEMAS = [
    {"type": "object", "properties": {"a": {"type": "string", "maxLength": 6}, "b": {"type": ["boolean", "null"]}, "c": {"type": "number"}},
     "required": ["b"], "additionalProperties": False},
    {"type": "array", "items": {"type": "array", "items": {"enum": [0, 1, "x", None, {"y": [2.5]}]}, "minItems": 1, "maxItems": 2}, "minItems": 2, "maxItems": 4},
    {"type": "array", "prefixItems": [{"type": "integer"}, {"type": "string", "minLength": 2, "maxLength": 4}], "items": False, "minItems": 2},
    {"anyOf": [{"const": {"k": "\u00e9\n"}}, {"$ref": "#/$defs/tree"}],
     "$defs": {"tree": {"type": "object", "properties": {"left": {"$ref": "#/$defs/leaf"}, "right": {"$ref": "#/$defs/leaf"}}, "required": ["left", "right"],
                        "additionalProperties": False},
               "leaf": {"anyOf": [{"type": "null"}, {"type": "boolean"}, {"$ref": "#/$defs/tree"}]}}},
    {"type": "object", "properties": {"fixed": {"type": "boolean"}}, "additionalProperties": {"type": "integer"}, "required": ["fixed"]},
]


def check_structured_output(client, model):
    """What the model says at random is valid with each schema, by the library jsonschema; the client parses it into its own types."""
    question = [{"role": "user", "content": "Where is the Colosseum?"}]

    def ask(**fields):
        return client.chat.completions.create(model=model, messages=question, temperature=2, max_tokens=500, **fields).choices[0]

    stopped = 0
    for schema in SCHEMAS:
        for seed in range(12):
            response_format = {"type": "json_schema", "json_schema": {"name": "answer", "strict": True, "schema": schema}}
            choice = ask(seed=seed, response_format=response_format)
            if choice.finish_reason == "length":
                continue
            stopped += 1
            jsonschema.validate(json.loads(choice.message.content), schema)
    assert stopped > 40, stopped
    for seed in range(5):
        choice = ask(seed=seed, response_format={"type": "json_object"})
        assert choice.finish_reason == "length" or isinstance(json.loads(choice.message.content), dict), choice
    parsed = 0
    for seed in range(10):
        fields = {"model": model, "messages": question, "temperature": 2, "max_tokens": 500, "seed": seed}
        try:
            parsed += isinstance(client.chat.completions.parse(**fields, response_format=Place).choices[0].message.parsed, Place)
        except openai.LengthFinishReasonError:
            pass
    assert parsed >= 3, parsed


def check_embeddings(slm, folder):
    """Embeddings of texts, tokens and batches, against the mean of transformers' last hidden states on the same weights."""
    import torch
    import transformers

    folder = folder / "embeddings"
    folder.mkdir()
    (folder / "chats.txt").write_text("".join(f"[INST] What comes after {i}? [/INST] After {i} comes {i + 1}.\n" for i in range(200)))
    for arguments in [
        ["tokenize", "corpus", "--data", folder / "chats.txt", "--vocab-size", 400, "--out", folder / "data"],
        ["train", "--data", folder / "data", "--out", folder / "run", "--layers", 2, "--width", 64, "--heads", 4, "--context", 96, "--batch", 4, "--max-steps", 60, "--lr", 0.01],
        ["export", folder / "run/last.h5", "--out", folder / "hf"],
    ]:
        run(slm, *arguments)
    model, tokenizer = transformers.AutoModel.from_pretrained(folder / "hf", dtype=torch.float32).eval(), transformers.AutoTokenizer.from_pretrained(folder / "hf")
    texts = [" ".join(f"After {j} comes {j + 1}." for j in range(i, i + 1 + i % 8)) for i in range(40)] + ["é日 x"]
    tokens = [tokenizer(text)["input_ids"] for text in texts]
    with torch.no_grad():
        states = [model(torch.tensor([ids])).last_hidden_state[0] for ids in tokens]
    expected = torch.stack([torch.nn.functional.normalize(state.mean(0), dim=0) for state in states])
    shorter = torch.nn.functional.normalize(expected[:, :16], dim=1)

    def near(found, wanted):
        return len(found.data) == len(wanted) and float((torch.tensor([one.embedding for one in found.data]) - wanted).abs().max()) < 2e-5

    with Server(slm, folder / "run/last.h5", "--dtype", "f32", "--chats-per-minute", "0") as server, openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0) as client:
        create = client.embeddings.create
        # The client asks for base64 unless a format is given.
        for fields in ({}, {"encoding_format": "float"}):
            found = create(model="run", input=texts, **fields)
            assert near(found, expected) and [one.index for one in found.data] == list(range(len(texts))) and found.model == "run"
            assert found.usage.prompt_tokens == found.usage.total_tokens == sum(map(len, tokens)), found.usage
            assert near(create(model="run", input=tokens, dimensions=16, **fields), shorter)
        together = [one.embedding for one in create(model="run", input=texts).data]
        assert [create(model="run", input=text).data[0].embedding for text in texts[:9]] == together[:9] and create(model="run", input=tokens[3]).data[0].embedding == together[3]
        refused(openai.BadRequestError, "dimensions", lambda: create(model="run", input="x", dimensions=65))
        refused(openai.BadRequestError, "input", lambda: create(model="run", input=["x"] * 2_049))
        refused(openai.BadRequestError, "input", lambda: create(model="run", input=""))
        refused(openai.NotFoundError, "model", lambda: create(model="ada", input="x"))
        long = refused(openai.BadRequestError, None, lambda: create(model="run", input=["x", "1 " * 200]))
        assert long.code == "context_length_exceeded", long


def check_adapters(slm, writer, folder):
    """LoRA adapters of one model, chosen by its name; many requests to all of them at once; reloading."""
    folder = folder / "adapters"
    folder.mkdir()
    run(writer, "adapters", folder)
    names = ["base", "base:wide", "base:narrow", "base:principal"]
    options = [f"--adapter={folder}/wide.h5", f"--adapter=narrow={folder}/narrow.h5", f"--adapter=principal={folder}/principal.h5"]

    def ask(client, name, n):
        prompt = {"model": name, "prompt": f"Number {n}", "temperature": 0, "max_tokens": 12}
        return client.completions.create(**prompt)

    with Server(slm, folder / "base.h5", "--dtype=f32", "--chats-per-minute", "0", *options) as server:
        client = openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)
        assert [model.id for model in client.models.list()] == names and client.models.retrieve("base:wide").id == "base:wide"
        alone = {(name, n): ask(client, name, n).choices[0].text for name in names for n in range(4)}
        assert len(set(alone.values())) > 12, alone

        async def all_at_once():
            client = openai.AsyncOpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0)
            keys = [(name, n) for n in range(4) for name in names] * 2
            # The seed is part of no greedy answer; with log-probabilities, answers are computed and not taken from the cache.
            answers = await asyncio.gather(*(client.completions.create(model=name, prompt=f"Number {n}", temperature=0, max_tokens=12, logprobs=i % 3)
                                             for i, (name, n) in enumerate(keys)))
            assert [answer.model for answer in answers] == [name for name, _ in keys]
            assert [answer.choices[0].text for answer in answers] == [alone[key] for key in keys]

        asyncio.run(all_at_once())
        refused(openai.NotFoundError, "model", lambda: ask(client, "base:other", 0))
        with Server(slm, folder / "wide.h5", "--dtype=f32") as other, openai.OpenAI(base_url=other.url + "/v1", api_key="any") as separate:
            assert [ask(separate, "wide", n).choices[0].text for n in range(4)] == [alone["base:wide", n] for n in range(4)]
        alike = json.loads(run(slm, "generate", folder / "base.h5", f"--adapter={folder}/wide.h5", "--prompt=Number 2", "--temperature=0", "--max-tokens=12", "--dtype=f32", "--json"))
        assert alike["text"] == alone["base:wide", 2], alike

        os.replace(folder / "wide.h5", folder / "narrow.h5")
        server.process.send_signal(signal.SIGHUP)
        server.wait(lambda: "could not be loaded" in server.log_text())
        assert [ask(client, "base:narrow", n).choices[0].text for n in range(4)] == [alone["base:narrow", n] for n in range(4)], "the previous models stay"
        (folder / "wide.h5").write_bytes((folder / "narrow.h5").read_bytes())
        server.process.send_signal(signal.SIGHUP)
        server.wait(lambda: "loaded base" in server.log_text())
        assert [ask(client, "base:narrow", n).choices[0].text for n in range(4)] == [alone["base:wide", n] for n in range(4)], "reloaded"


def main():
    slm, writer = map(os.path.abspath, sys.argv[1:3])
    with scratch_folder() as folder:
        checkpoint = folder / "parrot.h5"
        run(writer, "parrot", checkpoint, "100000")
        with Server(slm, checkpoint, "--chats-per-minute", "0") as server, openai.OpenAI(base_url=server.url + "/v1", api_key="any", max_retries=0) as client:
            assert [model.id for model in client.models.list()] == ["parrot"] and client.models.retrieve("parrot").owned_by == "slm"
            check_chats(client)
            check_sampling(client)
            check_tokens(client)
            check_errors(client)
            check_tools_in_messages(client)
            asyncio.run(check_many(server))
            check_disconnects(server, client)
            check_slm_client(slm, server)
        check_keys(slm, checkpoint)
        check_tools(slm, writer, folder)
        check_adapters(slm, writer, folder)
        check_embeddings(slm, folder)
    print(f"OpenAI's client {openai.__version__}: chats, texts, tokens, streams, errors, API keys, tools and structured output (also with a server as the backend), LoRA adapters, embeddings; slm generate as a client")


if __name__ == "__main__":
    main()
