"""Questions of every kind of task, made by hand."""

from jointset.records import Input, Question, Task

MOOD = Task("mood", "multiclass", ("bad", "good", "=cmd|'/c calc'!A1", "keep"))  # names that readers mistake
URGENT = Task("urgent", "binary", ("no", "yes"))
TOPICS = Task("topics", "multilabel", ("a", "b", "c"))
PRICE = Task("price", "regression", unit="EUR")
NAN = float("nan")


def question(
    task, key, given, suggested, *, position="", action="relabel", known=None, row=None, inputs=None
):
    """An open edit; its row has two lines of text and two cells."""
    return Question(
        key=key,
        seen=7,
        round=1,
        dataset="d",
        row=row or f"r{key}",
        task=task,
        position=position,
        action=action,
        given=given,
        suggested=suggested,
        known=known or {},
        confidence=0.75 if action != "check" else NAN,
        expected_precision=0.9 if action != "check" else NAN,
        inputs=inputs
        or (
            Input("text", "text", '=1+1, "quoted"\nand a line 中文'),
            Input("size", "tabular", "-1.5"),
            Input("note", "tabular", "@home"),
        ),
        evidence=(("predicted", "good 0.75"), ("p_given", "0.1")),
    )


def questions():
    """One or more of every kind and action; row r5 has two of a multilabel task."""
    known = {"a": "1", "b": "0", "c": "1"}
    return [
        question(MOOD, 1, "bad", "good"),
        question(MOOD, 2, "", "=cmd|'/c calc'!A1", action="fill"),
        question(URGENT, 3, "no", "", action="drop"),
        question(URGENT, 4, "yes", "", action="weight"),
        question(TOPICS, 5, "1", "0", position="a", known=known, row="r5"),
        question(TOPICS, 6, "0", "1", position="b", known=known, row="r5"),
        question(PRICE, 7, "2.5", "3.25"),
        question(MOOD, -8, "good", "bad", action="check"),
    ]
