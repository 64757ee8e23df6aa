//! What `--plot` draws: whole, labelled, in the width and the colours of whoever looks.

use std::fs;

use crate::util::{Directory, memif};

pub(crate) fn pictures_are_whole() {
    let directory = Directory::new();
    let path = directory.text("picture.svg");
    for (arguments, words) in [
        ("throughput --size 64,512,imix", &["One way", "Mpps", "Gb/s", "64 bytes", "512 bytes", "imix"][..]),
        ("latency --size 64,512", &["Round trips", "64 bytes", "512 bytes", "max ", "90 %"]),
        ("ndr", &["64 bytes: lost, %", "offered, Mpps", "ndr: slave"]),
        ("setup", &["connect", "delete", "both", "max "]),
        ("interfaces --count 3", &["1 interface", "3 interfaces", "max "]),
    ] {
        let finished = memif(&format!("bench {arguments} --seconds 0.02 --plot {path}")).finish();
        // On a busy machine there may be no rate without loss.
        if arguments != "ndr" {
            finished.code(0);
        }
        let picture = fs::read_to_string(&path).expect("a picture");
        assert_well_formed(&picture);
        let texts = texts(&picture);
        for word in words {
            assert!(texts.iter().any(|(_, text)| text.contains(word)), "{arguments}, {word}: {texts:?}");
        }
        assert!(texts.iter().all(|(_, text)| !text.is_empty()), "{arguments}: {texts:?}");
        // One value for each bar, and no bar that is none.
        let bars = picture.matches("<rect class=\"series").count();
        if arguments.starts_with("throughput") {
            assert_eq!(bars, 6, "{picture}");
            let labels = texts.iter().filter(|(at, text)| {
                at.starts_with("class=\"label\" text-anchor=\"start\"") && text.parse::<f64>().is_ok()
            });
            assert_eq!(labels.count(), bars, "{texts:?}");
        }
        for rule in ["max-width:100%", "prefers-color-scheme:dark"] {
            assert!(picture.contains(rule), "{arguments}: {picture}");
        }
        assert_inside(&texts, &picture);
    }
}

/// Another ending is refused before anything is measured or written.
pub(crate) fn pictures_are_svg_alone() {
    let directory = Directory::new();
    for name in ["p.png", "p", "p.svg.png", "svg"] {
        let path = directory.text(name);
        let finished = memif(&format!("bench --plot {path}")).finish().code(2);
        assert_eq!(finished.out, "");
        finished.complains("give a name that ends in .svg");
        assert!(!directory.path(name).exists(), "{name}");
    }
    // What is there stays until there is something else.
    let path = directory.path("old.svg");
    fs::write(&path, "old").expect("a file");
    let nobody = format!("--part generator --socket {} --connect-timeout 0.1", directory.text("none.sock"));
    memif(&format!("bench latency {nobody} --plot {}", path.display())).finish().code(2);
    assert_eq!(fs::read_to_string(&path).expect("a file"), "old");
}

/// Attributes and contents of all texts.
fn texts(picture: &str) -> Vec<(&str, String)> {
    let parts = picture.split("<text ").skip(1);
    let texts = parts.filter_map(|part| part.split_once("</text>")?.0.split_once('>'));
    texts.map(|(attributes, text)| (attributes, text.trim().to_owned())).collect()
}

/// Whether no text is cut by an edge, with letters as wide as they may be.
fn assert_inside(texts: &[(&str, String)], picture: &str) {
    let number = |attributes: &str, name: &str| -> f64 {
        let (_, rest) = attributes.split_once(&format!(" {name}=\"")).unwrap_or_else(|| panic!("{name}: {attributes}"));
        rest.split('"').next().unwrap_or_default().parse().expect("a number")
    };
    let root = picture.split_once("<svg").map_or("", |(_, rest)| rest.split('>').next().unwrap_or_default());
    let (right, bottom) = (number(root, "width"), number(root, "height"));
    for (attributes, text) in texts {
        let letter = if attributes.contains("small") { 12.0 } else { 14.0 };
        let width = text.chars().count() as f64 * letter * 0.57;
        let (x, y) = (number(attributes, "x"), number(attributes, "y"));
        let left = match attributes {
            held if held.contains("\"end\"") => x - width,
            held if held.contains("\"middle\"") => x - width / 2.0,
            _ => x,
        };
        assert!(left >= 0.0 && left + width <= right && (10.0..bottom).contains(&y), "{text:?} at {left}, {y}: {root}");
    }
}

/// Whether every element that begins ends, inside the one around it.
fn assert_well_formed(text: &str) {
    assert!(text.starts_with("<svg ") && text.contains("xmlns=\"http://www.w3.org/2000/svg\""));
    let mut open = Vec::new();
    for tag in text.split('<').skip(1) {
        let (tag, _) = tag.split_once('>').unwrap_or_else(|| panic!("{tag}"));
        let name = |tag: &str| tag.split([' ', '\n', '/']).next().unwrap_or_default().to_owned();
        if let Some(closing) = tag.strip_prefix('/') {
            assert_eq!(open.pop(), Some(name(closing)), "{tag}");
        } else if !tag.ends_with('/') {
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            open.push(name(tag));
        }
    }
    assert!(open.is_empty(), "{open:?}");
}
