"""Sentences and units that other rooms make, in Chinese: patterns, as names and numbers stand in them."""

from __future__ import annotations

import re

_PATTERNS = {
    r"([\d.]+) spreads above the middle": r"高于中位数 \1 个离散度",
    r"([\d.]+) spreads below the middle": r"低于中位数 \1 个离散度",
    r"in ([\d.e+-]+) % of the rows": r"仅出现在 \1 % 的行中",
    r"dataset (.+): (.+) lies outside of the dataset's folder and is not shown":
        r"数据集 \1：\2 位于数据集文件夹之外，不予显示",
    r"dataset (.+): (.+) is not there": r"数据集 \1：\2 不存在",
    r"dataset (.+): (.+) is larger than (\d+) MiB and is not shown": r"数据集 \1：\2 大于 \3 MiB，不予显示",
    r"dataset (.+): a (\w+) names no file": r"数据集 \1：\2 类型的值不是文件名",
    r"dataset (.+), (.+): not an image that can be shown \(\w+Error\)": r"数据集 \1，\2：不是可显示的图像",
    r"dataset (.+), (.+): not a sound that can be played \(\w+Error\)": r"数据集 \1，\2：不是可播放的声音",
    r"dataset (.+), (.+): not an image that can be shown \(more than 50 million pixels\)":
        r"数据集 \1，\2：图像超过五千万像素",
    r"dataset (.+), (.+): not an image that can be shown \((.+)\)": r"数据集 \1，\2：不是可显示的图像（\3）",
    r"dataset (.+), (.+): not a sound that can be played \((.+)\)": r"数据集 \1，\2：不是可播放的声音（\3）",
    r"task (.+) has no label (.+)": r"任务 \1 没有标签 \2",
    r"(.+) is no number": r"\1 不是数字",
    r"could not convert string to float: (.+)": r"\1 不是数字",
    r"a derived row is accepted or left out; .+": r"派生行只能保留或不加入；它沿用来源行的标签",
}  # fmt: skip
PHRASES = tuple((re.compile(pattern, re.DOTALL), said) for pattern, said in _PATTERNS.items())

UNITS = {  # of the operations that derive a row
    "degrees": "度", "share of the size": "尺寸比例", "share of the size, inwards only": "尺寸比例，仅向内",
    "share of the side": "边长比例", "share of the area that is cut away": "裁去面积的比例",
    "left and right change places": "左右互换", "top and bottom change places": "上下互换",
    "quarter turns": "四分之一圈", "share of white": "白色比例", "share": "比例",
    "turns of the colour circle": "色环圈数",
    "factor": "倍数", "share of the brightness that is turned round": "反转亮度的比例", "bits taken away": "去除的位数",
    "histogram made level": "直方图均衡", "standard deviation, share of white": "标准差（白色比例）",
    "share of the area": "面积比例", "standard deviation, pixels": "标准差（像素）",
    "alpha of the Beta distribution of shares": "比例的 Beta 分布参数", "share of the words": "词的比例",
    "share of the characters": "字符比例", "decibels above a noise 60 dB below the clip": "高于 −60 dB 噪声的分贝",
    "decibels": "分贝", "share of the clip": "片段比例", "share of the speed": "速度比例", "semitones": "半音",
    "share of the frames": "帧的比例", "share of the bands": "频带比例", "share of the columns": "列的比例",
    "standard deviations": "标准差", "standard deviations of the class": "该类的标准差",
    "share of the way between two rows of a class": "同类两行之间路程的比例",
    "share of a common class's spread given to a rare one": "常见类离散度分给稀有类的比例",
    "share of the features' deviation": "特征偏差的比例",
}  # fmt: skip
