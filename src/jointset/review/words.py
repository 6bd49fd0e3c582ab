"""The interface in English and Chinese."""

from __future__ import annotations

from jointset.review.phrases import PHRASES, UNITS

LANGUAGES = {"en": "English", "zh": "中文"}

WORDS: dict[str, tuple[str, str]] = {
    "review": ("Review", "审阅"),
    "edits": ("Edits", "修改"),
    "held_out": ("Held-out rows", "留出行"),
    "held_out_note": (
        "Held-out rows are never changed automatically; only people decide here.",
        "留出行从不自动修改，只由人决定。",
    ),
    "filters": ("Filters", "筛选"),
    "queue": ("Queue", "队列"),
    "search": ("Search", "搜索"),
    "dataset": ("Dataset", "数据集"),
    "task": ("Task", "任务"),
    "action": ("Action", "操作"),
    "issue": ("Issue", "问题"),
    "status": ("Status", "状态"),
    "decided": ("Decision", "决定"),
    "round": ("Round", "轮次"),
    "pair": ("Given → suggested", "原标签 → 建议"),
    "score": ("Confidence", "置信度"),
    "from": ("from", "从"),
    "to": ("to", "到"),
    "order": ("Order", "排序"),
    "flagged": ("Flagged only", "仅看标记"),
    "all": ("all", "全部"),
    "worth": ("worth of a decision", "决定的价值"),
    "doubt": ("most doubtful", "最可疑"),
    "sure": ("surest", "最确定"),
    "random": ("random", "随机"),
    "row": ("row", "行"),
    "open": ("open", "未决定"),
    "done": ("decided", "已决定"),
    "accept": ("accept", "接受"),
    "keep": ("keep given", "保留原标签"),
    "label": ("another label", "其他标签"),
    "none": ("no label", "无标签"),
    "exclude": ("exclude row", "排除该行"),
    "skip": ("skip", "跳过"),
    "flag": ("flag", "标记"),
    "undo": ("undo", "撤销"),
    "retract": ("took back", "撤回"),
    "next": ("next", "下一个"),
    "previous": ("previous", "上一个"),
    "help": ("Keys", "快捷键"),
    "close": ("close", "关闭"),
    "relabel": ("relabel", "改标签"),
    "fill": ("fill", "填补"),
    "drop": ("drop", "丢弃"),
    "weight": ("weight", "加权"),
    "add": ("add a derived row", "新增派生行"),
    "derived": ("derived row", "派生行"),
    "source_row": ("From row", "源自行"),
    "other_source": ("mixed with row", "混合行"),
    "share_of_first": ("share of the first", "前者所占比例"),
    "carries": ("Labels it carries", "携带的标签"),
    "unknown_recipe": ("unknown", "未知"),
    "add_accept": ("keep the derived row", "保留派生行"),
    "add_keep": ("leave it out", "不加入"),
    "add_note": (
        "A derived row claims no label of its own: it carries those of the row it is made of, and the gate compares "
        "with and without such rows.",
        "派生行没有自己的标签：它沿用来源行的标签，并由门控比较加入前后的结果。",
    ),
    "check": ("check", "核对"),
    "label_error": ("label error", "标签错误"),
    "missing_label": ("missing label", "缺失标签"),
    "contradiction": ("contradiction", "矛盾"),
    "spare_copy": ("one of several copies", "多余副本"),
    "leak_source": ("copy of a held-out row", "留出行的副本"),
    "shifted_row": ("shift between the splits", "划分间的偏移"),
    "tail_label": ("rare label", "稀有标签"),
    "exact_duplicate": ("exact copy of", "完全相同于"),
    "near_duplicate": ("near copy of", "近似于"),
    "leaked_copy": ("copy of the training row", "训练行的副本："),
    "leaked_near_copy": ("near copy of the training row", "训练行的近似副本："),
    "twins": ("Copies that the audit found", "审核发现的副本"),
    "proposed": ("proposed", "已提议"),
    "accepted": ("in force", "生效"),
    "rejected": ("refused by the gate", "被拒绝"),
    "undone": ("undone", "已撤销"),
    "given": ("Given", "原标签"),
    "suggested": ("Suggested", "建议"),
    "missing": ("missing", "缺失"),
    "dropped": ("dropped", "丢弃"),
    "weighted": ("another weight", "调整权重"),
    "probable": ("Most probable", "最可能"),
    "why": ("Why", "理由"),
    "neighbours": ("Alike rows", "相似行"),
    "others": ("Other labels", "其他任务的标签"),
    "copies": ("Same text", "相同文本"),
    "because": ("speaks for it", "支持证据"),
    "with": ("at odds with", "矛盾于"),
    "p_given": ("P(given is right)", "原标签正确的概率"),
    "margin": ("training margin", "训练间隔"),
    "expected": ("Of such changes", "此类修改"),
    "promised": ("promised right", "预期正确"),
    "observed": ("found right", "实际正确"),
    "not_reviewed": ("none reviewed yet", "尚未审阅"),
    "choose": ("Choose another label", "选择其他标签"),
    "set": ("set", "设为"),
    "note": ("Note", "备注"),
    "reviewer": ("Reviewer", "审阅人"),
    "matching": ("matching", "匹配"),
    "of": ("of", "共"),
    "bulk": ("Accept all that match…", "全部接受…"),
    "bulk_title": ("Accept all that match", "接受所有匹配项"),
    "bulk_count": ("edits would be accepted", "项修改将被接受"),
    "bulk_precision": ("expected to be right", "预期正确"),
    "bulk_examples": ("Ten of them, drawn at random", "随机抽取十项"),
    "bulk_apply": ("Accept them", "确认接受"),
    "cancel": ("Cancel", "取消"),
    "bulk_done": ("accepted; Z takes it back in one step", "项已接受；按 Z 可一步撤销"),
    "empty": ("Nothing matches.", "没有匹配项。"),
    "end": ("The end of the queue.", "队列已到末尾。"),
    "conflict": ("was decided meanwhile by", "已同时被决定，审阅人："),
    "conflict_note": (
        "Nothing was written. Look at it, and decide again to overrule.",
        "未写入任何内容。请查看，再次决定即可覆盖。",
    ),
    "undone_note": ("taken back", "已撤回"),
    "nothing_to_undo": ("There is nothing of yours to take back.", "没有可撤销的内容。"),
    "reliability": ("Observed precision", "实际准确率"),
    "invite": ("Link for one more browser", "新的一次性链接"),
    "enlarge": ("enlarge", "放大"),
    "unusual": ("unusual", "异常"),
    "held": ("held out", "留出"),
    "checks": ("Blind checks answered as known", "盲测与已知答案一致"),
    "news": ("new decisions by others", "他人的新决定"),
    "new_edits": ("new edits of a further round", "项来自新一轮的修改"),
    "play": ("play or pause the sound", "播放或暂停声音"),
    "seek": ("click the waveform to play from there", "点击波形从该处播放"),
    "language": ("Language", "语言"),
    "page": ("Page", "页"),
    "log_in": ("Log in", "登录"),
    "password": ("Password", "密码"),
    "wrong_password": ("Wrong password, or too many tries.", "密码错误或尝试次数过多。"),
    "need_link": (
        "This page needs the one-time link that the command printed. Start it again for a new one.",
        "请使用命令行打印的一次性链接；如已失效，请重新启动。",
    ),
    "your_name": ("Your name", "你的名字"),
    "your_name_note": ("Your decisions are recorded under it.", "你的决定将以此名字记录。"),
    "come_in": ("Begin", "开始"),
    "invite_note": (
        "It works once. Whoever opens it is asked for a name, under which their decisions are recorded.",
        "链接仅可使用一次。打开者需填写名字，其决定以该名字记录。",
    ),
    "gone": (
        "The server does not answer: nothing was written. Is the command still running? Start it again and open its "
        "new link.",
        "服务器没有响应：未写入任何内容。命令是否仍在运行？请重新启动并打开新链接。",
    ),
    "expired": (
        "This browser is not let in any more: the page was started anew. Nothing was written; open the new link that "
        "the command printed, or log in again.",
        "此浏览器的会话已失效：页面已重新启动。未写入任何内容；请打开命令行打印的新链接，或重新登录。",
    ),
    "failed": (
        "The server failed; nothing was written. Its terminal says why.",
        "服务器出错，未写入任何内容。原因见其终端。",
    ),
    "too_large": ("The form is too large.", "表单过大。"),
    "forbidden": (
        "Refused: the request did not come from this page. Reload it.",
        "已拒绝：请求并非来自本页面。请重新加载。",
    ),
    "unknown_item": ("There is no such decision or item.", "没有这样的决定或条目。"),
    "selection_changed": (
        "The selection has changed meanwhile, so nothing was accepted. Close this, look at it, and ask again.",
        "所选内容已发生变化，未接受任何修改。请关闭后查看，再重新操作。",
    ),
    "conflict_excluded": (
        "Nothing was written. Whatever is decided of its labels, the row stays out until that is taken back.",
        "未写入任何内容。在撤销排除之前，无论对其标签作何决定，该行都不会被使用。",
    ),
    "no_medium": ("nothing given", "无内容"),
    "seek_keys": ("place in the sound; arrow keys move it", "播放位置；可用方向键移动"),
    "confirm": ("confirm", "确认"),
    "save": ("save", "保存"),
}


class Speech:
    """The words of one language: ``speech("accept")``; what has no words stands for itself.

    >>> Speech("zh")("accept"), Speech("xx")("accept"), Speech("en")("digit")
    ('接受', 'accept', 'digit')
    """

    def __init__(self, language: str) -> None:
        self.language = language if language in LANGUAGES else "en"
        self._at = list(LANGUAGES).index(self.language)

    def __call__(self, key: str) -> str:
        """The word, in this language."""
        found = WORDS.get(key)
        if found:
            return found[self._at]
        return UNITS.get(key, key) if self.language == "zh" else key

    def phrase(self, text: str) -> str:
        """A sentence that other rooms made, in this language where it is a known one; names and numbers stay.

        >>> Speech("zh").phrase("6.1 spreads above the middle"), Speech("zh").phrase("else")
        ('高于中位数 6.1 个离散度', 'else')
        """
        for pattern, said in PHRASES if self.language == "zh" else ():
            if match := pattern.fullmatch(text):
                return match.expand(said)
        return text


def preferred(cookie: str, accept: str) -> str:
    """The language of a request: what was chosen, else what the browser asks for first.

    >>> preferred("", "zh-CN,zh;q=0.9"), preferred("en", "zh-CN"), preferred("", "fr")
    ('zh', 'en', 'en')
    """
    if cookie in LANGUAGES:
        return cookie
    return "zh" if accept.strip().lower().startswith("zh") else "en"
