"""openai-python against a server: usage: openai_python.py BASE_URL KEY MODEL; writes openai.json, the names of what passed."""
import asyncio
import json
import sys
import time
import traceback

import openai

URL, KEY, MODEL = sys.argv[1:]
CHECKS = []
ASK = [{"role": "user", "content": "how do i make the amber tonic ?"}]
client = openai.OpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=300)
others = openai.AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=300)


def check(function):
    CHECKS.append(function)
    return function


def chat(**more):
    return client.chat.completions.create(**{"model": MODEL, "messages": ASK, "max_tokens": 32, **more})


def refused(kind, **more):
    """The error a request ends with."""
    try:
        chat(**more)
    except kind as error:
        return error
    raise AssertionError(f"{more} was answered, and {kind.__name__} expected")


@check
def lists_models():
    assert MODEL in [model.id for model in client.models.list()]
    assert client.models.retrieve(MODEL).id == MODEL


@check
def answers():
    answer = chat()
    choice = answer.choices[0]
    assert choice.message.role == "assistant" and choice.message.content and choice.finish_reason in ("stop", "length")
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + answer.usage.completion_tokens
    assert 0 < answer.usage.completion_tokens <= 32 and answer.model == MODEL
    assert chat().choices[0].message.content == choice.message.content


@check
def counts_by_either_name():
    assert chat(max_tokens=None, max_completion_tokens=8).usage.completion_tokens <= 8


@check
def reads_parts_and_roles():
    parts = [{"role": "user", "content": [{"type": "text", "text": ASK[0]["content"]}]}]
    assert chat(messages=parts).choices[0].message.content == chat().choices[0].message.content
    said = [("system", "answer please ."), ("user", "make me a tonic"), ("assistant", "no ."), ("user", "why not ?")]
    turns = [{"role": role, "content": content} for role, content in said]
    assert chat(messages=turns).choices[0].message.content


@check
def answers_several_times():
    choices = chat(n=3, temperature=1.0, seed=5).choices
    assert [choice.index for choice in choices] == [0, 1, 2]
    texts = [choice.message.content for choice in choices]
    assert texts == [choice.message.content for choice in chat(n=3, temperature=1.0, seed=5).choices] and len(set(texts)) > 1


@check
def stops():
    whole = chat().choices[0].message.content
    word = whole[len(whole) // 2 :][:5]
    choice = chat(stop=[word, "nowhere"]).choices[0]
    assert choice.message.content == whole[: whole.find(word)] and choice.finish_reason == "stop"


@check
def says_log_probabilities():
    choice = chat(logprobs=True).choices[0]
    said, whole = "".join(token.token for token in choice.logprobs.content), choice.message.content
    # A token may hold a part of a character.
    assert said.strip() == whole.strip() or "\ufffd" in said + whole
    assert all(token.logprob <= 0 for token in choice.logprobs.content)


@check
def completes():
    prompts = ["grind the root . boil the", "the amber tonic is"]
    choices = client.completions.create(model=MODEL, prompt=prompts, max_tokens=16, logprobs=1).choices
    assert [choice.index for choice in choices] == [0, 1]
    assert all(len(choice.logprobs.tokens) == len(choice.logprobs.token_logprobs) for choice in choices)
    echoed = client.completions.create(model=MODEL, prompt="the amber tonic is", max_tokens=16, echo=True).choices[0].text
    assert echoed.startswith("the amber tonic is")


@check
def scores_a_prompt():
    asked = {"model": MODEL, "prompt": "the amber tonic", "max_tokens": 1, "logprobs": 1, "echo": True}
    choice = client.completions.create(**asked).choices[0]
    whole = choice.logprobs
    assert "".join(whole.tokens) == choice.text and whole.text_offset[-1] == len(choice.text)
    # The server was started with --score-tail 8, which may be more than this prompt has.
    assert whole.token_logprobs[0] is None and all(score < 0 for score in whole.token_logprobs[1:-1][-8:])
    assert len(whole.tokens) == len(whole.token_logprobs) == len(whole.top_logprobs)
    last = client.completions.create(**asked, extra_body={"mosa": {"score_tail": 1}}).choices[0].logprobs
    # The rows of a tail share passes, so its length is a matter of rounding.
    assert abs(last.token_logprobs[-2] - whole.token_logprobs[-2]) < 1e-3 and last.token_logprobs[-3] is None


@check
def streams():
    chunks = list(chat(stream=True, stream_options={"include_usage": True}))
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    whole = chat()
    assert text == whole.choices[0].message.content and chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].usage == whole.usage and not chunks[-1].choices
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == whole.choices[0].finish_reason


@check
def streams_several():
    texts = ["", ""]
    for chunk in chat(stream=True, n=2, temperature=1.0, seed=5):
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
    assert texts == [choice.message.content for choice in chat(n=2, temperature=1.0, seed=5).choices]


@check
def streams_with_the_helper():
    with client.chat.completions.stream(model=MODEL, messages=ASK, max_tokens=32) as stream:
        told = stream.get_final_completion()
    assert told.choices[0].message.content == chat().choices[0].message.content


@check
def streams_completions():
    asked = {"model": MODEL, "prompt": "the amber tonic is", "max_tokens": 16}
    text = "".join(chunk.choices[0].text for chunk in client.completions.create(**asked, stream=True) if chunk.choices)
    assert text == client.completions.create(**asked).choices[0].text


@check
def goes_away_from_a_stream():
    with chat(stream=True, max_tokens=512, extra_body={"mosa": {"steps": 512}}) as stream:
        next(iter(stream))
    assert chat().choices[0].message.content


@check
def asks_asynchronously():
    async def all_at_once():
        things = ("the pale tonic", "amber soup", "the misty cake", "a tea")
        asked = [[{"role": "user", "content": f"how do i make {thing} ?"}] for thing in things]
        create = others.chat.completions.create
        told = await asyncio.gather(*(create(model=MODEL, messages=messages, max_tokens=32) for messages in asked * 2))
        texts = [answer.choices[0].message.content for answer in told]
        assert texts[:4] == texts[4:] == [chat(messages=messages).choices[0].message.content for messages in asked]

    asyncio.run(all_at_once())


@check
def streams_asynchronously():
    async def streamed():
        client = openai.AsyncOpenAI(base_url=URL, api_key=KEY, max_retries=0, timeout=300)
        stream = await client.chat.completions.create(model=MODEL, messages=ASK, max_tokens=32, stream=True)
        return "".join([chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices])

    assert asyncio.run(streamed()) == chat().choices[0].message.content


@check
def asks_for_what_only_this_server_has():
    own = {"gen_length": 32, "steps": 8, "prefill": [{"offset": 0, "text": "grind the root"}], "return_trace": True}
    answer = chat(extra_body={"mosa": own})
    assert answer.choices[0].message.content.startswith("grind the root") and len(answer.mosa["trace"]) and answer.mosa["options"]
    shown = chat(stream=True, extra_body={"diffusing": True})
    canvases = [chunk.choices[0].delta.content for chunk in shown if chunk.choices and chunk.choices[0].delta.content]
    assert len(canvases) > 2 and canvases[-1] == chat().choices[0].message.content


@check
def is_told_what_is_wrong():
    error = refused(openai.BadRequestError, extra_body={"flux": 1})
    assert error.param == "flux" and error.code == "unknown_parameter" and error.type == "invalid_request_error"
    assert refused(openai.NotFoundError, model="none").code == "model_not_found"
    assert refused(openai.BadRequestError, messages=[]).param == "messages"
    assert refused(openai.BadRequestError, tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}]).param == "tools"
    assert refused(openai.BadRequestError, temperature=9.0).param == "temperature"
    long = [{"role": "user", "content": "stone " * 3000}]
    assert refused(openai.BadRequestError, messages=long).code == "context_length_exceeded"


@check
def is_told_where_nothing_is():
    for ask in (lambda: client.responses.create(model=MODEL, input="tonic"), lambda: client.embeddings.create(model=MODEL, input="tonic")):
        try:
            ask()
        except openai.NotFoundError:
            continue
        raise AssertionError("answered")


@check
def needs_the_key():
    try:
        openai.OpenAI(base_url=URL, api_key="another", max_retries=0).models.list()
    except openai.AuthenticationError:
        return
    raise AssertionError("let in with a wrong key")


def main():
    failed = 0
    for function in CHECKS:
        began = time.monotonic()
        try:
            function()
            print("ok", function.__name__, f"{time.monotonic() - began:.1f} s", flush=True)
        except Exception:
            failed += 1
            print("FAILED", function.__name__, traceback.format_exc(), flush=True)
    with open("openai.json", "w") as out:
        json.dump([function.__name__ for function in CHECKS], out)
    return 1 if failed else 0


sys.exit(main())
