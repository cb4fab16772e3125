"""VisA: its split, its table of kinds."""

from synthgen.layouts import open_normal, open_test_set


def test_visa_without_a_split_keeps_a_tenth_of_the_normal_images_for_testing(visa, trees):
    fitted = {entry.name for entry in open_normal(visa).entries}
    images = open_test_set(visa)
    tested = {entry.name for entry in images.entries if not entry.label}
    assert (len(fitted), len(tested)) == (18, 2)
    assert not fitted & tested
    assert trees.kinds_of(images)[2:] == [(1, "anomaly"), (1, "anomaly")]
    assert images[3].mask.sum() == 16


def test_visa_is_split_by_its_table(visa, trees):
    rows = ["object,split,label,image,mask"]
    rows += [
        f"candle,{'test' if i < 3 else 'train'},normal,candle/Data/Images/Normal/{i:03d}.JPG," for i in range(5)
    ]
    rows += ["candle,test,anomaly,candle/Data/Images/Anomaly/020.JPG,candle/Data/Masks/Anomaly/020.png"]
    (visa.parent / "split_csv").mkdir()
    (visa.parent / "split_csv" / "1cls.csv").write_text("\n".join(rows) + "\n")
    table = 'image,label,mask\ncandle/Data/Images/Anomaly/020.JPG,"melt,scratch",x.png\n'
    (visa / "image_anno.csv").write_text(table)
    for path in (visa, visa.parent):
        assert len(open_normal(path)) == 2
        assert trees.kinds_of(open_test_set(path)) == [(0, "good")] * 3 + [(1, "melt,scratch")]


def test_a_damaged_split_is_refused(visa, trees):
    split = visa.parent / "split_csv" / "1cls.csv"
    split.parent.mkdir()
    split.write_text("object,split\n")
    trees.refused(
        lambda: open_normal(visa), split, "must have the columns object, split, label, image, mask, got no label"
    )
    split.write_text("object,split,label,image,mask\ncandle,train,normal,candle/none.JPG,\n")
    trees.refused(lambda: open_normal(visa), split, "every image must be there")
    split.write_text("object,split,label,image,mask\nother,train,normal,x,\n")
    trees.refused(lambda: open_normal(visa), split, "must have rows of the object candle, got none")
