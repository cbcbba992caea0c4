"""Checks `/v1/messages` of `slm serve` with Anthropic's Python client: answers, streams, tools, formats, thoughts, token counts, keys and errors.

    Tests/Peers/check_anthropic.py .build/release/slm .build/release/CheckpointWriter

The model calls the function `weather` if it is given tools, and repeats its result in words.
"""
import json
import os
import sys

import anthropic
import jsonschema
from programs import run, scratch_folder
from served import Server, raised

SCHEMA = {"type": "object", "properties": {"city": {"enum": ["Rome", "Paris"]}, "days": {"type": "integer"}}, "required": ["city", "days"]}
WEATHER = {"name": "weather", "description": "Current weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
QUESTION = {"role": "user", "content": "Weather in Rome?"}
# The client has no arguments for sampling.
GREEDY = {"extra_body": {"temperature": 0}}


def check_answers(client, model):
    answer = client.messages.create(model=model, max_tokens=50, **GREEDY, system="Be brief.", messages=[QUESTION])
    assert answer.id.startswith("msg_") and answer.model == model and answer.stop_reason == "end_turn" and answer.usage.output_tokens > 0, answer
    assert [block.text for block in answer.content] == ["I cannot know."], answer
    cut = client.messages.create(model=model, max_tokens=9, messages=[QUESTION], stop_sequences=["know"], extra_body={"top_k": 1})
    assert cut.content[0].text.strip() == "I cannot" and (cut.stop_reason, cut.stop_sequence) == ("stop_sequence", "know"), cut
    with client.messages.stream(model=model, max_tokens=9, messages=[QUESTION], stop_sequences=["zzz", "know"], extra_body={"top_k": 1}) as stream:
        cut = stream.get_final_message()
    assert cut.content[0].text.strip() == "I cannot" and (cut.stop_reason, cut.stop_sequence) == ("stop_sequence", "know"), cut
    counted = client.messages.count_tokens(model=model, messages=[QUESTION], system="Be brief.").input_tokens
    assert counted == answer.usage.input_tokens + answer.usage.cache_read_input_tokens, (counted, answer.usage)
    assert client.messages.count_tokens(model=model, messages=[QUESTION], tools=[WEATHER]).input_tokens > counted
    document = {"type": "document", "title": "Weather", "source": {"type": "text", "media_type": "text/plain", "data": "It is sunny."}}
    asked = {"role": "user", "content": [document, {"type": "text", "text": QUESTION["content"]}]}
    assert client.messages.count_tokens(model=model, messages=[asked], system="Be brief.").input_tokens > counted


def check_tools(client, model):
    request = {"model": model, "max_tokens": 200, **GREEDY, "tools": [WEATHER], "messages": [QUESTION]}
    said, call = client.messages.create(**request).content
    assert said.text == "Let me look." and (call.type, call.name, call.input) == ("tool_use", "weather", {"city": "Rome"}), call
    history = [QUESTION, {"role": "assistant", "content": [said.model_dump(), call.model_dump()]},
               {"role": "user", "content": [{"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}]}]
    assert client.messages.create(**request | {"messages": history}).content[0].text == "It is sunny in Rome."
    with client.messages.stream(**request) as stream:
        pieces = "".join(stream.text_stream)
        final = stream.get_final_message()
    assert pieces == "Let me look." and final.stop_reason == "tool_use" and final.content[1].input == {"city": "Rome"}, final
    assert final.usage.output_tokens > 0, final.usage
    forced = request | {"tools": [{"name": "forecast", "input_schema": SCHEMA}]}
    for choice in ({"type": "any"}, {"type": "tool", "name": "forecast", "disable_parallel_tool_use": True}):
        call, *_ = client.messages.create(**forced, tool_choice=choice).content
        assert call.name == "forecast", call
        jsonschema.validate(call.input, SCHEMA)
    plain = client.messages.create(**request, tool_choice={"type": "none"})
    assert plain.content[0].text == "I cannot know." and plain.stop_reason == "end_turn", plain


def check_formats(client, model):
    request = {"model": model, "max_tokens": 300, "messages": [QUESTION], "output_config": {"format": {"type": "json_schema", "schema": SCHEMA}}}
    for _ in range(5):
        jsonschema.validate(json.loads(client.messages.create(**request, extra_body={"temperature": 1}).content[0].text), SCHEMA)
    with client.messages.stream(**request) as stream:
        jsonschema.validate(json.loads("".join(stream.text_stream)), SCHEMA)


def check_thoughts(client, model):
    request = {"model": model, "max_tokens": 50, **GREEDY, "messages": [{"role": "user", "content": "2 + 2?"}]}
    thought, said = client.messages.create(**request, thinking={"type": "enabled", "budget_tokens": 1024}).content
    assert (thought.type, thought.thinking, said.text) == ("thinking", "Two and two.", "Four."), (thought, said)
    with client.messages.stream(**request) as stream:
        deltas = [event.type for event in stream if event.type in ("thinking", "text")]
        final = stream.get_final_message()
    assert set(deltas) == {"thinking", "text"} and [block.type for block in final.content] == ["thinking", "text"], final
    assert final.content[0].thinking == thought.thinking and final.content[1].text == said.text and final.stop_reason == "end_turn", final
    history = [*request["messages"], {"role": "assistant", "content": [thought.model_dump(), said.model_dump()]}, *request["messages"]]
    assert client.messages.create(**request | {"messages": history}).content[1].text == said.text
    for thinking in ({"type": "adaptive"}, {"type": "adaptive", "display": "omitted"}):
        thought, said = client.messages.create(**request, thinking=thinking, output_config={"effort": "low"}).content
        assert (thought.type, thought.thinking) == ("thinking", "" if "display" in thinking else "Two and two.") and said.text == "Four.", thought
    quick, = client.messages.create(**request, thinking={"type": "disabled"}).content
    assert quick.text == "Just four.", quick


def refused(kind, words, call):
    error = raised(kind, call)
    assert words in str(error) and error.body["type"] == "error", error


def check_errors(client, model):
    create = client.messages.create
    image = {"role": "user", "content": [{"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": ""}}]}
    refused(anthropic.BadRequestError, "messages[0].content[0].type", lambda: create(model=model, max_tokens=5, messages=[image]))
    refused(anthropic.BadRequestError, "temperature", lambda: create(model=model, max_tokens=5, messages=[QUESTION], extra_body={"temperature": 3}))
    refused(anthropic.BadRequestError, "stop_sequences: ", lambda: create(model=model, max_tokens=5, messages=[QUESTION], stop_sequences=[""]))
    refused(anthropic.BadRequestError, "output_config.effort: ", lambda: create(
        model=model, max_tokens=5, messages=[QUESTION], output_config={"effort": "none"}))
    schema = {"type": "object", "properties": {"a": {"type": "x"}}}
    refused(anthropic.BadRequestError, "tools[0].input_schema.properties.a.type: ", lambda: create(
        model=model, max_tokens=5, messages=[QUESTION], tools=[{"name": "f", "input_schema": schema}], tool_choice={"type": "any"}))
    refused(anthropic.NotFoundError, "Unknown model", lambda: create(model="claude", max_tokens=5, messages=[QUESTION]))


def main():
    slm, writer = map(os.path.abspath, sys.argv[1:3])
    with scratch_folder() as folder:
        checkpoint, thinking = folder / "tools.h5", folder / "thinking.h5"
        run(writer, "tools", checkpoint)
        run(writer, "thinking", thinking)
        with Server(slm, checkpoint, "--chats-per-minute", "0") as server, anthropic.Anthropic(base_url=server.url, api_key="any", max_retries=0) as client:
            check_answers(client, "tools")
            check_tools(client, "tools")
            check_formats(client, "tools")
            check_errors(client, "tools")
        with Server(slm, thinking, "--chats-per-minute", "0") as server, anthropic.Anthropic(base_url=server.url, api_key="any", max_retries=0) as client:
            check_thoughts(client, "thinking")
        with Server(slm, checkpoint, "--require-key") as server, anthropic.Anthropic(base_url=server.url, api_key="wrong", max_retries=0) as client:
            refused(anthropic.AuthenticationError, "", lambda: client.messages.create(model="tools", max_tokens=5, messages=[QUESTION]))
    print(f"Anthropic's client {anthropic.__version__}: answers, streams, tools, formats, thoughts, token counts, keys and errors")


if __name__ == "__main__":
    main()
