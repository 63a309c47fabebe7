import io
import struct

import pytest
import torch
from PIL import ExifTags, Image, ImageCms
from PIL.PngImagePlugin import PngInfo

from wildsr.apps.upscale.images.content import ImageContent, encode_content, lost_metadata, read_content
from wildsr.apps.upscale.images.metadata import Metadata
from wildsr.images import OUTPUT_SUFFIXES, kind_of

Base, IFD = ExifTags.Base, ExifTags.IFD
KINDS = sorted({kind_of(f"x{suffix}") for suffix in OUTPUT_SUFFIXES} - {"BMP"})
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/">\xc3\xa4</x:xmpmeta>'


def photograph(kind="JPEG", **more):
    """A file with all that a camera and a photographer put in."""
    exif = Image.Exif()
    exif[Base.Make], exif[Base.Orientation] = "Maker", 1
    exif.get_ifd(IFD.Exif).update({Base.ExifImageWidth: 8, Base.ExifImageHeight: 6, Base.ExposureTime: 0.005})
    exif.get_ifd(IFD.GPSInfo).update({1: "N", 2: (50.0, 6.0, 7.0)})
    file = io.BytesIO()
    options = {"exif": exif, "icc_profile": SRGB, "dpi": (300, 300), "xmp": XMP, **more}
    Image.new("RGB", (8, 6), "teal").save(file, kind, **options)
    return read_content(io.BytesIO(file.getvalue()), "memory")


def rewritten(picture, kind, side=16):
    larger = ImageContent(torch.zeros(3, side, side), None, picture.bits, picture.metadata)
    return read_content(io.BytesIO(encode_content(larger, kind)), "memory").metadata


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [8, 16])
def test_profile_exif_xmp_and_resolution_go_into_every_format(kind, bits):
    picture = photograph()
    kept = rewritten(ImageContent(picture.colour, None, bits, picture.metadata), kind)
    assert kept.icc == SRGB
    assert kept.xmp == XMP
    assert kept.exif[Base.Make] == "Maker"
    inner, place = kept.exif.get_ifd(IFD.Exif), kept.exif.get_ifd(IFD.GPSInfo)
    assert float(inner[Base.ExposureTime]) == pytest.approx(0.005)
    assert (place[1], tuple(float(part) for part in place[2])) == ("N", (50, 6, 7))
    if kind not in ("WEBP", "AVIF"):  # which have no place for it
        assert kept.dpi == pytest.approx((300, 300), abs=0.01)


@pytest.mark.parametrize("kind", KINDS)
def test_exif_says_the_new_size_and_no_orientation(kind):
    kept = rewritten(photograph(), kind, side=20)
    inner = kept.exif.get_ifd(IFD.Exif)
    assert (inner[Base.ExifImageWidth], inner[Base.ExifImageHeight]) == (20, 20)
    assert Base.Orientation not in kept.exif


@pytest.mark.parametrize("kind", KINDS)
def test_text_that_is_not_ascii_survives(kind):
    exif = Image.Exif()
    exif[Base.Artist] = "Jörg".encode()  # UTF-8, as cameras and editors write it
    picture = photograph(exif=exif)
    assert rewritten(picture, kind).exif[Base.Artist].encode("latin-1") == "Jörg".encode()


def test_the_thumbnail_and_the_old_layout_are_left_out():
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, "TIFF", description="a tiff", compression="tiff_lzw")
    metadata = read_content(io.BytesIO(file.getvalue()), "memory").metadata
    assert set(metadata.exif) == {Base.ImageDescription}


def test_a_profile_for_other_channels_is_left_out():
    file = io.BytesIO()
    Image.new("L", (8, 6)).save(file, "PNG", icc_profile=SRGB)
    assert read_content(io.BytesIO(file.getvalue()), "memory").metadata.icc == b""


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("alpha", [None, torch.full((1, 6, 8), 0.5)], ids=["opaque", "alpha"])
def test_a_grey_profile_goes_into_grey_files_alone(kind, bits, alpha):
    if kind == "JPEG" and alpha is not None:
        pytest.skip("JPEG has no alpha")
    grey = SRGB[:16] + b"GRAY" + SRGB[20:]
    picture = ImageContent(torch.zeros(1, 6, 8), alpha, bits, Metadata(icc=grey))
    with Image.open(io.BytesIO(encode_content(picture, kind))) as file:
        in_grey = file.getbands()[0] in ("L", "I") or (kind, bits) == ("PNG", 16)  # whose alpha Pillow shows as RGBA
        assert file.info.get("icc_profile") == (grey if in_grey else None)


def test_damaged_exif_costs_the_exif_and_not_the_image():
    picture = photograph(exif=b"Exif\0\0II*\0\x08\0\0\0\xff\xff" + b"\x07" * 40)
    assert len(picture.metadata.exif) == 0
    assert picture.colour.shape == (3, 6, 8)


def test_more_exif_than_a_jpeg_holds_is_left_out_there():
    exif = Image.Exif()
    exif[Base.Make] = "Maker"
    exif.get_ifd(IFD.Exif)[Base.MakerNote] = b"x" * 70_000
    picture = photograph("PNG", exif=exif)
    assert len(rewritten(picture, "PNG").exif.get_ifd(IFD.Exif)[Base.MakerNote]) == 70_000
    assert len(rewritten(picture, "JPEG").exif) == 0


def test_more_xmp_than_a_jpeg_holds_is_left_out_there():
    for size, kept in [(65_504, True), (65_505, False), (70_000, False)]:
        picture = ImageContent(torch.zeros(3, 6, 8), metadata=Metadata(xmp=b"x" * size))
        assert len(rewritten(picture, "PNG").xmp) == size
        assert len(rewritten(picture, "JPEG").xmp) == size * kept


@pytest.mark.parametrize("kind", ["BMP", *(kind for kind in KINDS if kind not in ("WEBP", "AVIF"))])
@pytest.mark.parametrize("bits", [8, 16])
def test_a_resolution_keeps_its_two_numbers_in_their_order(kind, bits):
    picture = photograph(dpi=(300, 150))
    assert picture.metadata.dpi == (300, 150)
    kept = rewritten(ImageContent(picture.colour, None, bits, picture.metadata), kind)
    assert kept.dpi == pytest.approx((300, 150), abs=0.02)


@pytest.mark.parametrize("dpi", [(0, 0), (1e9, 1e9)])
def test_a_resolution_that_no_format_holds_is_left_out(dpi):
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, "TIFF", dpi=dpi)
    picture = read_content(io.BytesIO(file.getvalue()), "memory")
    assert picture.metadata.dpi is None


IPTC = b"\x1c\x02\x05\x00\x05Title\x1c\x02\x19\x00\x03one\x1c\x02\x19\x00\x03two"


def jpeg(comment=b"", iptc=b"", **options):
    """A JPEG with a comment and with IPTC as Photoshop writes it."""
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, "JPEG", comment=comment, **options)
    content = file.getvalue()
    if iptc:
        resource = b"8BIM\x04\x04\0\0" + struct.pack(">I", len(iptc)) + iptc + bytes(len(iptc) % 2)
        segment = b"Photoshop 3.0\0" + resource
        content = content[:2] + b"\xff\xed" + struct.pack(">H", len(segment) + 2) + segment + content[2:]
    return read_content(io.BytesIO(content), "memory")


def test_the_comment_of_a_jpeg_goes_into_jpeg_and_as_a_text_into_png():
    picture = jpeg("Grüße".encode())
    assert rewritten(picture, "JPEG").comment == "Grüße".encode()
    assert rewritten(picture, "PNG").comment == "Grüße".encode()
    assert lost_metadata(picture, "JPEG") == lost_metadata(picture, "PNG") == []
    assert lost_metadata(picture, "WEBP") == ["comment"]
    assert lost_metadata(jpeg(), "WEBP") == []
    again = ImageContent(picture.colour, metadata=rewritten(picture, "PNG"))
    assert rewritten(again, "JPEG").comment == "Grüße".encode()
    assert lost_metadata(again, "JPEG") == []
    assert lost_metadata(again, "WEBP") == ["text (Comment)"]


def test_a_png_text_called_comment_in_small_letters_is_a_text_like_others():
    info, file = PngInfo(), io.BytesIO()
    info.add_text("comment", "small")
    Image.new("RGB", (8, 6)).save(file, "PNG", pnginfo=info)
    picture = read_content(io.BytesIO(file.getvalue()), "memory")
    assert rewritten(picture, "PNG").chunks == ((b"tEXt", b"comment\0small"),)
    assert lost_metadata(picture, "JPEG") == ["text (comment)"]


@pytest.mark.parametrize("bits", [8, 16])
def test_iptc_goes_into_jpeg_tiff_and_png(bits):
    picture = jpeg(iptc=IPTC)
    picture = ImageContent(picture.colour, None, bits, picture.metadata)
    assert picture.metadata.iptc == IPTC
    for kind in ("JPEG", "TIFF"):
        assert rewritten(picture, kind).iptc == IPTC
        assert lost_metadata(picture, kind) == []
    with Image.open(io.BytesIO(encode_content(picture, "PNG"))) as image:
        # As ImageMagick has it: a name, the length, then bytes in hexadecimal.
        name, length, *lines = image.text["Raw profile type iptc"].split()
    content = bytes.fromhex("".join(lines))
    assert (name, int(length)) == ("iptc", len(content))
    assert content[:12] == b"8BIM\x04\x04\0\0" + struct.pack(">I", len(IPTC)) and content[12:].startswith(IPTC)
    assert lost_metadata(picture, "AVIF") == ["IPTC"]


def test_what_no_segment_of_a_jpeg_or_no_bmp_holds_is_named_as_lost():
    picture = photograph()
    assert lost_metadata(picture, "BMP") == ["colour profile", "EXIF", "XMP"]
    assert lost_metadata(picture, "JPEG") == []
    large = Metadata(xmp=b"x" * 65_505, comment=b"x" * 65_534, iptc=b"x" * 65_536)
    assert lost_metadata(ImageContent(picture.colour, metadata=large), "JPEG") == ["XMP", "comment", "IPTC"]
    grey = ImageContent(torch.zeros(1, 6, 8), metadata=Metadata(icc=SRGB[:16] + b"GRAY" + SRGB[20:]))
    assert lost_metadata(grey, "WEBP") == ["colour profile"]
    assert lost_metadata(grey, "PNG") == []


def test_an_image_that_does_not_say_its_resolution_gets_none():
    exif = Image.Exif()
    exif[Base.Make] = "Maker"
    for kind, options in {"TIFF": {}, "JPEG": {"exif": exif}, "PNG": {}, "BMP": {"dpi": (0, 0)}}.items():
        file = io.BytesIO()
        Image.new("RGB", (8, 6)).save(file, kind, **options)
        picture = read_content(io.BytesIO(file.getvalue()), "memory")
        assert picture.metadata.dpi is None, kind
        for target in ("TIFF", "JPEG", "PNG", "BMP"):
            assert rewritten(picture, target).dpi is None, (kind, target)
            with Image.open(io.BytesIO(encode_content(picture, target))) as image:
                assert target != "TIFF" or not {282, 283} & set(image.tag_v2), kind


def test_a_resolution_in_exif_alone_or_in_dots_a_centimetre_is_kept():
    exif = Image.Exif()
    exif[282], exif[283], exif[296] = 240.0, 240.0, 2
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, "JPEG", exif=exif)
    assert read_content(io.BytesIO(file.getvalue()), "memory").metadata.dpi == (240, 240)
    file = io.BytesIO()
    Image.new("RGB", (8, 6)).save(file, "TIFF", resolution=100.0, resolution_unit=3)
    assert read_content(io.BytesIO(file.getvalue()), "memory").metadata.dpi == pytest.approx((254, 254))
