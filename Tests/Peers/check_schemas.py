"""Checks answers in the form of random JSON schemas with the library jsonschema: every one that was not cut is valid.

    Tests/Peers/check_schemas.py .build/release/slm [--count 10000] [--models 20]

The models have learned almost nothing, have vocabularies of different sizes, and temperature 2 makes their answers random. Limits of tokens are small and large.
"""
import collections
import json
import random
import time

import jsonschema
from programs import command_line, scratch_folder
from served import UNLIMITED, Server, tiny_checkpoint

PATTERNS = ["^[a-z]{2,8}$", "b+c", "^(red|green|blue)(-[0-9]{1,3})?$", "[0-9]$", "^\\d{3}-\\d{4}$", "^\\S+\\s\\S+$", "^[^\"\\\\]*$", "\\u00e9|x"]
FORMATS = ["date", "time", "date-time", "uuid", "email", "ipv4"]
# The library checks these formats by itself; it reads times with a package that is not installed.
CHECKER = jsonschema.FormatChecker(["date", "uuid", "email", "ipv4"])


def number(rng, kind):
    schema = {"type": kind}
    low = rng.randint(-1_000, 1_000) if kind == "integer" or rng.random() < 0.5 else round(rng.uniform(-50, 50), rng.randint(1, 4))
    if rng.random() < 0.6:
        schema[rng.choice(["minimum", "exclusiveMinimum"])] = low
    if rng.random() < 0.6:
        schema[rng.choice(["maximum", "exclusiveMaximum"])] = low + rng.choice([3, 100, 0.5 if kind == "number" else 2, 12_345])
    if rng.random() < 0.3:
        schema["multipleOf"] = rng.choice([1, 2, 3, 5]) if len(schema) > 1 else rng.randint(1, 60)
    return schema


def text(rng):
    schema = {"type": "string"}
    kind = rng.random()
    if kind < 0.3:
        schema["pattern"] = rng.choice(PATTERNS)
    elif kind < 0.6:
        schema["format"] = rng.choice(FORMATS)
    if kind < 0.2 or kind > 0.6:
        schema["maxLength"] = rng.randint(8, 30)
        if rng.random() < 0.5:
            schema["minLength"] = rng.randint(0, 8)
    return schema


def random_schema(rng, depth=0):
    kind = rng.randrange(5 if depth > 2 else 9)
    if kind < 2:
        return number(rng, rng.choice(["integer", "number"]))
    if kind < 4:
        return text(rng)
    if kind == 4:
        return rng.choice([{"type": "boolean"}, {"type": "null"}, {"enum": ["a", 1, None, {"k": [1, 2]}]}, {"const": "\u00e9\n"}])
    if kind == 5:
        least = rng.randint(0, 3)
        return {"type": "array", "items": random_schema(rng, depth + 1), "minItems": least, "maxItems": least + rng.randint(0, 3)}
    if kind == 6:
        return {"anyOf": [random_schema(rng, depth + 1) for _ in range(rng.randint(1, 3))]}
    names = rng.sample(["a", "b", "name", "\u00fcber", "x y", "quote\""], rng.randint(1, 4))
    schema = {"type": "object", "properties": {name: random_schema(rng, depth + 1) for name in names}, "required": [name for name in names if rng.random() < 0.6]}
    return schema | {"additionalProperties": False if rng.random() < 0.7 else number(rng, "integer")}


def ask(server, connection, rng, seed):
    """The answer to a random schema: valid, cut or unsatisfiable."""
    schema, strict = random_schema(rng), rng.random() < 0.5
    body = {"messages": [{"role": "user", "content": "What comes after 7?"}], "temperature": 2, "seed": seed, "max_tokens": rng.choice([60, 250]),
            "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "strict": strict, "schema": schema}}}
    status, answer = server.ask("POST", "/v1/chat/completions", body, connection=connection)
    if status == 400 and "within the limits" in answer["error"]["message"]:
        return "unsatisfiable"
    assert status == 200, (answer, schema)
    choice = answer["choices"][0]
    try:
        value = json.loads(choice["message"]["content"])
    except ValueError:
        # Only where no answer fits into the tokens.
        assert choice["finish_reason"] == "length" and answer["usage"]["completion_tokens"] == body["max_tokens"], (choice, schema)
        return "cut"
    jsonschema.Draft202012Validator(schema, format_checker=CHECKER).validate(value)
    return "valid"


def main():
    options = command_line(__doc__, "slm", count=300, models=3, seed=1)
    rng = random.Random(options.seed)
    begin, found = time.monotonic(), collections.Counter()
    for model in range(options.models):
        count = options.count * (model + 1) // options.models - options.count * model // options.models
        with scratch_folder() as folder:
            checkpoint = tiny_checkpoint(options.slm, folder, vocabulary=[300, 420, 270, 512][model % 4], steps=20 if model == 0 else 1, seed=model + 1)
            with Server(options.slm, checkpoint, *UNLIMITED) as server:
                connection = server.connect()
                found.update(ask(server, connection, rng, i) for i in range(count))
    valid, cut, unsatisfiable = found["valid"], found["cut"], found["unsatisfiable"]
    assert valid > 0.8 * options.count and cut < 0.1 * options.count and unsatisfiable < 0.05 * options.count, (valid, cut, unsatisfiable)
    print(f"jsonschema: {valid} answers of {options.models} models to random schemas are valid; {cut} were cut, since none fits into their tokens; {unsatisfiable} schemas allow none "
          f"({time.monotonic() - begin:.0f} s)")


if __name__ == "__main__":
    main()
