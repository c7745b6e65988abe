"""Figures of classes of any number, whose names have any length and script."""

import itertools
import warnings

import numpy as np
import pandas as pd
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager
from matplotlib.figure import Figure
from matplotlib.text import Text

from helpers import paths
from helpers.report import classifier, eda, fonts, publish, results
from helpers.report.names import axis_labels, row_labels, shortened, text_width, wrapped
from helpers.report.results.matrix_layout import MatrixLayout

LONG = "Inflamed & scaling eruptions of the trunk, limbs, number"
NAMES = {
    "short": lambda k: f"{chr(97 + k % 26)}{k:02d}",
    "long": lambda k: f"{LONG} {k:02d}",
    "one word": lambda k: f"Light_Diseases-and_Disorders_of_Pigmentation_and_of_hair_{k:02d}",
    "chinese": lambda k: "黑色素瘤基底细胞癌" * 6 + f"{k:02d}",
    "arabic": lambda k: f"وحمة صباغية في الجلد {k}",
    "greek": lambda k: f"Μελάνωμα του δέρματος και άλλα {k}",
    "cyrillic": lambda k: f"Меланома кожи и другие {k}",
}
TRIED = [
    *(
        ("chinese", 2),
        ("arabic", 2),
        ("long", 7),
        ("cyrillic", 7),
        ("short", 23),
        ("long", 23),
        ("greek", 23),
    ),
    *(("short", 60), ("one word", 60), ("chinese", 60)),
]


def names_of(kind, count):
    return [NAMES[kind](k) for k in range(count)]


def confusion(classes, arms=("baseline",), largest=170):
    rows = [(0, a, b, largest if a == b else 3) for a in classes for b in classes]
    return {arm: pd.DataFrame(rows, columns=["replicate", "label", "prediction", "count"]) for arm in arms}


def drawn(figure):
    fonts.lend_fonts(figure)
    with fonts.without_glyph_warnings():
        figure.draw_without_rendering()
    return figure


def boxes(labels):
    return [label.get_window_extent() for label in labels if label.get_text()]


def overlap(first, second):
    return first.x0 < second.x1 - 1 and second.x0 < first.x1 - 1 and first.y0 < second.y1 - 1 < first.y1 - 2


def assert_apart(figure, labels):
    """The labels keep apart from each other and stay within the figure."""
    found = boxes(labels)
    assert found
    for first, second in itertools.pairwise(found):
        assert not overlap(first, second)
    for box in found:
        assert box.x0 >= -1 and box.x1 <= figure.bbox.x1 + 1 and box.y0 >= -1 and box.y1 <= figure.bbox.y1 + 1


@pytest.mark.parametrize(("kind", "count"), TRIED)
class TestEveryNumberLengthAndScript:
    def test_confusion_matrices_name_every_class_at_the_axes_or_in_the_key(self, kind, count):
        classes = names_of(kind, count)
        figure = drawn(results.classes.confusion_matrices(confusion(classes)))
        axes = figure.axes[0]
        assert_apart(figure, axes.get_yticklabels())
        assert_apart(figure, figure.texts) if figure.texts else None
        at_axes = [label.get_text() for label in axes.get_yticklabels()]
        assert len(at_axes) == count == len(axes.get_xticklabels())
        if figure.texts:
            key = dict(text.get_text().split("  ", 1) for text in figure.texts)
            assert [key[number] for number in at_axes] == sorted(classes)
        else:
            assert at_axes == sorted(classes) and max(map(len, at_axes)) <= 14
        assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 6.5

    def test_rows_of_classes_keep_apart(self, kind, count):
        classes = names_of(kind, count)
        split = pd.DataFrame(
            [(name, part) for name in classes for part in ("train", "validation", "test")],
            columns=["dx", "split"],
        )
        numbers = {"seen_images": 20, "unseen_images": 31, "seen_recall": 0.8, "unseen_recall": 0.6}
        numbers |= {"difference": 0.2, "low": 0.1, "high": 0.3}
        gaps = pd.DataFrame([{"arm": "baseline", "class": name} | numbers for name in classes])
        for figure in (
            eda.class_distribution(split, classes[0]),
            classifier.training_images([*range(count)], classes, 0),
            results.lesions.recall_gap(gaps, "baseline"),
        ):
            labels = drawn(figure).axes[0].get_yticklabels()
            assert len(labels) == count
            assert_apart(figure, labels)
            wide = max(box.x1 for box in boxes(labels)) - min(box.x0 for box in boxes(labels))
            assert wide < 0.55 * figure.bbox.width

    def test_titles_that_name_the_target_stay_within_their_panels(self, kind, count):
        target = names_of(kind, count)[-1]
        names = ["accuracy", "macro_recall", "target_recall", "target_precision"]
        rows = pd.DataFrame(
            [
                {"arm": "all", "reference": "baseline", "metric": name, "difference": 0.01}
                | {"low": -0.03, "high": 0.05}
                for name in names
            ]
        )
        figure = drawn(results.differences.forest(rows, target=target))
        assert_apart(
            figure,
            [axes.title if not axes._left_title.get_text() else axes._left_title for axes in figure.axes],
        )


@pytest.mark.parametrize(("kind", "count"), [("chinese", 2), ("short", 7), ("long", 23), ("short", 60)])
def test_sample_images_show_every_class_under_its_whole_name(kind, count):
    classes, picture = names_of(kind, count), np.zeros((12, 16, 3), np.uint8)
    figure = drawn(eda.sample_images({name: [picture] * 4 for name in classes}))
    titles = [axes.get_title() for axes in figure.axes if axes.get_title()]
    assert ["".join(title.split()) for title in titles] == ["".join(name.split()) for name in classes]
    assert_apart(figure, [axes.title for axes in figure.axes if axes.get_title()])
    first = next(axes for axes in figure.axes if axes.images)
    assert first.get_window_extent().width > 80  # pixels: less shows nothing


def test_a_caption_says_that_classes_are_numbered_and_cells_are_too_small():
    few = results.classes.confusion_caption(
        confusion(["bcc", "mel", "nv"]), 30, "1 replicate", {"confusion": pd.DataFrame()}
    )
    assert "counts predictions" in few and "key" not in few
    many = results.classes.confusion_caption(
        confusion(names_of("long", 60)), 30, "1 replicate", {"confusion": pd.DataFrame()}
    )
    assert "counts predictions" not in many and "the key is below" in many and "too small for numbers" in many
    assert MatrixLayout.of(names_of("short", 23), 170).numbered


def test_matrices_know_classes_that_look_like_numbers_or_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(paths, "ARTIFACTS", tmp_path)
    run = paths.RunPaths("odd")
    run.evaluation.mkdir(parents=True)
    confusion(["1", "02", "NA", "None"])["baseline"].to_csv(
        run.evaluation / "confusion-baseline.csv", index=False
    )
    read = results.classes.read_confusion(run, ["baseline"])
    figure = results.classes.confusion_matrices(read)
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == ["02", "1", "NA", "None"]


def test_a_dollar_in_a_name_is_a_dollar():
    figure = results.classes.confusion_matrices(confusion([r"a$\frac$b", "_other", "<5 mm \\ 50%"]))
    drawn(figure)
    assert r"a$\frac$b" in [label.get_text() for label in figure.axes[0].get_yticklabels()]


class TestNames:
    def test_signs_of_east_asia_are_twice_as_wide_and_accents_have_no_width(self):
        assert text_width("黑色ab") == 6 and text_width("e\N{COMBINING ACUTE ACCENT}") == 1

    def test_lines_end_between_words_and_within_one_that_is_far_longer(self):
        assert wrapped("Macro recall of mel", 12) == "Macro recall\nof mel"
        assert wrapped("dermatofibroma", 11) == "dermatofibroma"
        assert wrapped("acne_and_rosacea-photos", 9) == "acne_and_\nrosacea-\nphotos"
        assert wrapped("黑色素瘤色素痣", 4) == "黑色\n素瘤\n色素\n痣"
        assert wrapped("", 5) == ""

    def test_a_shortened_text_keeps_its_beginning_and_its_end(self):
        assert shortened("abcdefghij", 10) == "abcdefghij"
        short = shortened(LONG + " 17", 30)
        assert short.startswith("Inflamed") and short.endswith(" 17") and text_width(short) <= 30

    def test_long_names_are_numbered(self):
        assert axis_labels(["mel", "nv"], 14).key == ()
        labels = axis_labels(["mel", LONG], 14)
        assert labels.texts == ("1", "2") and labels.key == ("1  mel", f"2  {LONG}")
        assert row_labels(["mel"])[1] == 0 < row_labels([LONG])[1]


def font_with(signs, path):
    """A font whose shapes of these signs are squares, known to matplotlib under the name of the file."""
    pen = TTGlyphPen(None)
    for step, point in enumerate([(0, 0), (0, 700), (700, 700), (700, 0)]):
        pen.lineTo(point) if step else pen.moveTo(point)
    pen.closePath()
    square = pen.glyph()
    order = [".notdef", *(f"u{ord(sign):X}" for sign in signs)]
    font = FontBuilder(1000, isTTF=True)
    font.setupGlyphOrder(order)
    font.setupCharacterMap({ord(sign): f"u{ord(sign):X}" for sign in signs})
    font.setupGlyf(dict.fromkeys(order, square))
    font.setupHorizontalMetrics(dict.fromkeys(order, (800, 0)))
    font.setupHorizontalHeader(ascent=800, descent=-200)
    font.setupNameTable({"familyName": path.stem, "styleName": "Regular"})
    font.setupOS2()
    font.setupPost()
    font.save(path)


@pytest.fixture
def system_fonts(tmp_path, monkeypatch):
    """The fonts of a system that has those of matplotlib and, in this folder, what a test installs."""
    own = [entry for entry in font_manager.fontManager.ttflist if "matplotlib" in entry.fname]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", own)
    monkeypatch.setattr(
        font_manager, "findSystemFonts", lambda: [str(path) for path in tmp_path.glob("*.ttf")]
    )
    fonts._fonts_for.cache_clear()
    yield tmp_path
    fonts._fonts_for.cache_clear()


class TestFonts:
    def test_a_font_that_the_system_has_is_lent_to_the_texts_that_need_it(self, system_fonts):
        font_with("黑色素瘤", system_fonts / "Signs.ttf")
        figure = Figure()
        text, other = figure.text(0, 0, "Recall of 黑色素瘤"), figure.text(0, 1, "Accuracy")
        assert fonts.lend_fonts(figure) == ""
        assert text.get_fontfamily() == ["sans-serif", "Signs"] and other.get_fontfamily() == ["sans-serif"]
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert publish.png_bytes(figure, 1)
            assert "Signs" in publish.svg_text(figure, "lent") and "黑色素瘤" in publish.svg_text(
                figure, "lent"
            )

    def test_where_no_font_has_the_signs_the_caption_says_so_once(self, system_fonts, tmp_path, monkeypatch):
        monkeypatch.setattr(paths, "REPORTS", tmp_path / "reports")
        shown = []
        monkeypatch.setattr(publish, "_display", lambda data, metadata: shown.append(metadata))
        figure = Figure()
        figure.text(0, 0, "黑色素瘤 وحمة 黑")
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            publish.show_figure(figure, "chinese", "some", "A caption.", "alt")
        caption = shown[0]["report"]["caption"]
        assert caption.startswith("A caption. No font of this machine has the signs 瘤素色黑,")
        assert "artifacts/chinese/notebooks" in caption

    def test_a_damaged_font_is_passed_over(self, system_fonts):
        (system_fonts / "Broken.ttf").write_bytes(b"no font")
        figure = Figure()
        figure.text(0, 0, "黑")
        assert fonts.lend_fonts(figure) == "黑"
