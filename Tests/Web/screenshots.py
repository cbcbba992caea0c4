"""Takes the screenshots of the documentation with the fonts of this machine: Tests/Web/screenshots.py [FOLDER]"""
import datetime
import pathlib
import sys

from stage import ask, stage

FOLDER = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else pathlib.Path(__file__).resolve().parents[2] / "Documentation/images")
# By age in days.
EARLIER = {
    0: ["Names for a grey cat"],
    1: ["A toast for Marta's birthday", "Why is the sky blue?"],
    4: ["Rainy day ideas", "Help me say no politely"],
    20: ["Packing for three days in Lisbon", "What makes a good question?"],
}


def fill(world, name):
    """Adds earlier conversations."""
    for days, titles in EARLIER.items():
        for title in titles:
            conversation = world.make_conversation(name, title)
            then = datetime.datetime.now(datetime.timezone.utc) - datetime.timedelta(days=days, minutes=5)
            conversation["created_at"] = conversation["updated_at"] = then.isoformat(timespec="seconds").replace("+00:00", "Z")
    world.collected = 12


def take(stage, scheme):
    desktop = stage.open(height=860, color_scheme=scheme, reduced_motion="reduce")
    name = stage.register(desktop, "ada")
    fill(stage.world, name)
    ask(desktop, "How do I bake a good loaf of bread?")
    desktop.mouse.move(700, 10)
    desktop.wait_for_timeout(300)
    desktop.screenshot(path=FOLDER / f"chat-{scheme}.png")
    phone = desktop.context.browser.new_context(
        viewport={"width": 390, "height": 780}, device_scale_factor=1.5, is_mobile=True, has_touch=True, color_scheme=scheme,
        reduced_motion="reduce", storage_state=desktop.context.storage_state())
    page = phone.new_page()
    page.goto(stage.url + "/")
    page.wait_for_selector("#model >> text=tiny")
    if scheme == "dark":
        page.tap("#toggle-sidebar")
        page.tap("#conversations a")
        page.wait_for_selector(".message.assistant")
        page.evaluate("document.getElementById('scroller').scrollTop = 0")
    page.wait_for_timeout(300)
    page.screenshot(path=FOLDER / f"phone-{scheme}.png")
    phone.close()


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    with stage() as shared:
        for scheme in ("light", "dark"):
            shared.begin(delay=0.004, model="tiny")
            take(shared, scheme)
            shared.end()
    for file in sorted(FOLDER.glob("*.png")):
        assert file.stat().st_size < 150_000, (file, file.stat().st_size)
        print(file.name, file.stat().st_size)
