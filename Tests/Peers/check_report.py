"""Reads the files of a training run that was stopped and resumed: events with TensorBoard, reports with Python's XML parser.

    Tests/Peers/check_report.py .build/release/slm
"""
import json
import os
import sys
import xml.dom.minidom

import programs
import tensorboard
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

SHAPE = "--layers 1 --width 32 --heads 2 --context 64 --batch 4 --vocab-size 300 --max-steps 30 --eval-every 10 --threads 2".split()
TAGS = {"loss": "train/loss", "gradient_norm": "train/gradient_norm", "lr": "train/lr"}
EVALUATED = {"train_loss": "train/evaluated_loss", "val_loss": "val/loss", "bits_per_byte": "val/bits_per_byte"}
REPLAYED = EVALUATED | {"replay_loss": "replay/loss"}


def check_scalars(events, lines, tags):
    for key, tag in tags.items():
        found = {scalar.step: scalar.value for scalar in events.Scalars(tag)}
        assert len(found) == len(events.Scalars(tag)), f"{tag}: duplicate steps"
        assert found.keys() == {line["step"] for line in lines}, (tag, sorted(found))
        for line in lines:
            # The log has four decimals.
            assert abs(found[line["step"]] - line[key]) <= 5e-5 + 1e-6 * abs(line[key]), (tag, line, found[line["step"]])


def main():
    slm = os.path.abspath(sys.argv[1])
    with programs.scratch_folder() as folder:
        run, chats, both = folder / "run", folder / "chats.txt", folder / "both.html"
        chats.write_text("".join(f"[INST] What comes after {i}? [/INST] After {i} comes {i + 1}.\n" for i in range(80)))

        def train(*arguments):
            programs.run(slm, "train", "--data", chats, "--out", run, *arguments, env=os.environ | {"XDG_CACHE_HOME": str(folder)})

        train(*SHAPE, "--ask", "<Who> & \"what\"?", "--save-every", "5", "--stop-after", "17")
        # As if it had been killed two steps after its last checkpoint, while writing the second line.
        log = run / "log.jsonl"
        step = next(line for line in log.read_text().splitlines() if '"step":17' in line)
        with log.open("a") as file:
            file.write(step.replace('"step":17', '"step":18') + "\n" + step.replace('"step":17', '"step":19')[:40])
        train("--resume", "--ask", "<Who> & \"what\"?")

        entries = {}
        for line in log.read_text().splitlines():
            try:
                entry = json.loads(line)
            except json.JSONDecodeError:
                continue
            entries[entry["event"], entry["step"]] = entry
        events = EventAccumulator(str(run), size_guidance={"scalars": 0, "tensors": 0})
        events.Reload()
        steps = [entry for (event, _), entry in entries.items() if event == "step"]
        assert len(steps) == 30
        check_scalars(events, steps, TAGS)
        check_scalars(events, [entry for (event, _), entry in entries.items() if event == "evaluated"], EVALUATED)
        assert all(scalar.value > 0 for scalar in events.Scalars("train/tokens_per_s"))
        texts = {event.step: event.tensor_proto.string_val[0].decode() for event in events.Tensors("answer")}
        assert texts.keys() == {10, 20, 30} and texts[30] == f"**<Who> & \"what\"?**\n\n{entries['answered', 30]['answer']}", texts
        assert events.SummaryMetadata("answer").plugin_data.plugin_name == "text"

        # A fine-tuning run also has the replay loss.
        new = folder / "new.txt"
        new.write_text("".join(f"[INST] What is {i}? [/INST] A number.\n" for i in range(20)))
        programs.run(slm, "finetune", "--base", run / "best.h5", "--data", new, "--replay", chats, "--out", folder, "--name", "finetune",
                     "--max-steps", 8, "--eval-every", 4, "--threads", 2)
        finetune = folder / "finetune"
        lines = [json.loads(line) for line in (finetune / "log.jsonl").read_text().splitlines()]
        events = EventAccumulator(str(finetune), size_guidance={"scalars": 0})
        events.Reload()
        check_scalars(events, [line for line in lines if line["event"] == "evaluated"], REPLAYED)

        programs.run(slm, "runs", "compare", run, finetune, "--out", both)
        for page in [run / "report.html", finetune / "report.html", both]:
            document = xml.dom.minidom.parse(str(page))
            assert document.getElementsByTagName("svg") and not document.getElementsByTagName("script")
    print(f"report: TensorBoard {tensorboard.__version__} reads {len(steps)} steps of a resumed run with the values of the log; the reports are well-formed")


if __name__ == "__main__":
    main()
