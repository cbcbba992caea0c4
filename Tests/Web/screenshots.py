"""Takes the screenshots of the documentation: the page of `slm serve` with a trained model, and answers that the model gives.

    Tests/Web/screenshots.py .build/release/slm checkpoints/demo/best.h5 [FOLDER]
"""
import os
import pathlib
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.append(str(HERE.parent / "Peers"))
from served import UNLIMITED, Server  # noqa: E402

FOLDER = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else HERE.parents[1] / "Documentation/images"
# One conversation each; the last is shown.
CONVERSATIONS = [
    ["Do you know a joke?"],
    ["Write me a story about a horse."],
    ["I would like to learn the days of the week. What comes after Monday?"],
    ["Hello! What is the capital of Peru?", "And Japan?", "Describe a river to me.", "Tell me nine times two.",
     "It is so dark. Now I am afraid."],
]


def take(stage, scheme):
    from stage import answered, ask, show

    desktop = stage.open(height=860, color_scheme=scheme, reduced_motion="reduce")
    stage.register(desktop, f"ada-{scheme}")
    for i, questions in enumerate(CONVERSATIONS):
        if i:
            desktop.click("#new-chat")
            desktop.wait_for_selector(".message", state="detached")
        for count, question in enumerate(questions, 1):
            ask(desktop, question, wait=False)
            desktop.locator(".message").nth(2 * count - 1).wait_for()
            answered(desktop)
    desktop.mouse.move(700, 10)
    desktop.wait_for_timeout(300)
    desktop.screenshot(path=FOLDER / f"chat-{scheme}.png")
    phone = desktop.context.browser.new_context(
        viewport={"width": 390, "height": 780}, device_scale_factor=1.5, is_mobile=True, has_touch=True, color_scheme=scheme,
        reduced_motion="reduce", storage_state=desktop.context.storage_state())
    page = phone.new_page()
    show(page, stage.url + "/", "#model:not(:empty)")
    if scheme == "dark":
        page.tap("#toggle-sidebar")
        page.tap("#conversations a")
        page.wait_for_selector(".message.assistant")
        page.evaluate("document.getElementById('scroller').scrollTop = 0")
    page.wait_for_timeout(300)
    page.screenshot(path=FOLDER / f"phone-{scheme}.png")
    phone.close()


def take_feedback(stage):
    """Alternatives, a correction and a rating, where chats may be used for training."""
    from stage import answered, ask, click

    page = stage.open(height=640, color_scheme="light", reduced_motion="reduce")
    stage.register(page, "grace")
    ask(page, "What is the capital of Peru?")
    click(page, "[aria-label='Regenerate answer']", ".alternatives")
    answered(page)
    page.click("[aria-label='Correct answer']")
    page.fill(".correct textarea", "The capital of Peru is Lima, on the coast of the Pacific.")
    click(page, ".correct .primary", ".corrected")
    page.click("[aria-label='Bad answer']")
    page.check(".reasons [value=incomplete]")
    page.wait_for_timeout(300)
    page.screenshot(path=FOLDER / "feedback.png")


def main():
    FOLDER.mkdir(parents=True, exist_ok=True)
    with Server(sys.argv[1], sys.argv[2], "--use-chats", *UNLIMITED) as server:
        os.environ["BASE_URL"] = server.url
        from stage import stage

        with stage() as shared:
            for scheme in ("light", "dark"):
                shared.begin()
                take(shared, scheme)
                shared.end()
            shared.begin()
            take_feedback(shared)
            shared.end()
    for file in sorted(FOLDER.glob("*.png")):
        assert file.stat().st_size < 150_000, (file, file.stat().st_size)
        print(file.name, file.stat().st_size)


if __name__ == "__main__":
    main()
