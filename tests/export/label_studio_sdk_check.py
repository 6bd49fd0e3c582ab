"""Run by an environment that has label-studio-sdk: checks a folder of tasks, and annotates them at random."""

import json
import random
import sys
from pathlib import Path


def check(folder, out):
    from label_studio_sdk.label_interface import LabelInterface

    random.seed(0)
    errors, count, exports = [], 0, []
    for config in sorted(folder.glob("*.xml")):
        interface = LabelInterface(config.read_text("utf-8"))
        interface.validate()
        tasks = json.loads(config.with_suffix(".json").read_text("utf-8"))
        for number, task in enumerate(tasks, 1):
            count += 1
            if not interface.validate_task({"data": task["data"]}):
                errors.append(f"{config.name}: task {number} does not fit")
            for prediction in task.get("predictions", ()):
                errors += interface.validate_prediction(prediction, return_errors=True)
            annotation = interface.generate_sample_annotation()
            if not interface.validate_annotation(annotation):
                errors.append(f"{config.name}: annotation {number} does not fit")
            task |= {"id": number, "annotations": [annotation]}
        path = out / f"exported-{config.stem}.json"
        path.write_text(json.dumps(tasks), "utf-8")
        exports.append(str(path))
    return {"errors": errors, "tasks": count, "exports": exports}


if __name__ == "__main__":
    print(json.dumps(check(*map(Path, sys.argv[1:]))))
