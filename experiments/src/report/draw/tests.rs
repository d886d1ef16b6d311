use kuva::render::render::Primitive;

use super::*;
use crate::deviation::Deviations;
use crate::output::{Results, read_manifest};
use crate::report::plan;

/// A text on the page, with what it says.
type Placed = (Frame, String);

/// Where every text of `scene` is, by the widths of its font.
fn texts(scene: &Scene) -> Vec<Placed> {
    let mut found = Vec::new();
    for element in &scene.elements {
        let Primitive::Text {
            x,
            y,
            content,
            size,
            anchor,
            bold,
            rotate,
            ..
        } = element
        else {
            continue;
        };
        let look = Look {
            size: *size,
            bold: *bold,
            ..Look::plain(TextAnchor::Start)
        };
        let width = look.width(&content.replace("\\$", "$"));
        let left = match anchor {
            TextAnchor::Start => *x,
            TextAnchor::Middle => x - width / 2.0,
            TextAnchor::End => x - width,
        };
        let size = f64::from(*size);
        let lying = Frame {
            left,
            top: y - 0.76 * size,
            right: left + width,
            bottom: y + 0.24 * size,
        };
        // Upright text begins below; what was above its line is left of it.
        let frame = match rotate {
            None => lying,
            Some(_) => Frame {
                left: x - 0.76 * size,
                top: y - (lying.right - x),
                right: x + 0.24 * size,
                bottom: y - (lying.left - x),
            },
        };
        found.push((frame, content.clone()));
    }
    found
}

/// What is wrong with the texts of `scene`: those that leave it, and those that overlap.
fn faults(scene: &Scene) -> Vec<String> {
    let texts = texts(scene);
    let mut found = Vec::new();
    for (at, (frame, content)) in texts.iter().enumerate() {
        let is_inside = frame.left >= 0.0
            && frame.top >= 0.0
            && frame.right <= scene.width
            && frame.bottom <= scene.height;
        if !is_inside {
            found.push(format!("{content:?} leaves the figure"));
        }
        for (other, also) in &texts[at + 1..] {
            let apart = frame.right <= other.left
                || other.right <= frame.left
                || frame.bottom <= other.top
                || other.bottom <= frame.top;
            if !apart {
                found.push(format!("{content:?} and {also:?} overlap"));
            }
        }
    }
    found
}

fn assert_readable(dir: &Path) -> usize {
    let manifest = read_manifest(dir).unwrap();
    let results = Results::read_judged(dir, &manifest.scenario).unwrap();
    let deviations = Deviations::of(&results, &manifest.scenario);
    let figures = plan::figures(dir, &results, deviations.as_ref()).unwrap();
    for figure in &figures {
        let scene = scene(figure);
        assert!(texts(&scene).len() > 4, "{}: no text", figure.name);
        let found = faults(&scene);
        assert!(
            found.is_empty(),
            "{} {}: {found:#?}",
            dir.display(),
            figure.name
        );
    }
    figures.len()
}

// Every result that this tree ships, with the figures that its tables give today.
#[test]
fn no_text_of_a_shipped_figure_is_cut_or_hides_another() {
    let results = Path::new(env!("CARGO_MANIFEST_DIR")).join("../results");
    let mut figures = 0;
    for entry in fs::read_dir(results).unwrap() {
        let dir = entry.unwrap().path();
        if dir.join("runs.csv").is_file() {
            figures += assert_readable(&dir);
        }
    }
    assert!(figures >= 15, "only {figures} figures");
}

// Names of many lengths and alphabets, in every kind of figure.
#[test]
fn no_text_is_cut_however_long_a_name_is() {
    use crate::output::fixture;
    let long = "a policy with a name that goes on and on".repeat(6);
    let names = [
        long.as_str(),
        "$x$",
        "меч + щит",
        "公平な共有の方針",
        "i",
        &"W".repeat(90),
    ];
    for mut runs in [
        fixture::transfer_runs(2),
        fixture::load_runs(2),
        fixture::swarm_runs(2),
    ] {
        let mut known: Vec<String> = Vec::new();
        for (params, _) in &mut runs {
            let value = params[0].1.clone();
            let place = known.iter().position(|name| *name == value);
            let place = place.unwrap_or_else(|| {
                known.push(value);
                known.len() - 1
            });
            if let Some(name) = names.get(place) {
                (*name).clone_into(&mut params[0].1);
            }
        }
        let dir = tempfile::tempdir().unwrap();
        fixture::write_result(dir.path(), &runs);
        assert!(assert_readable(dir.path()) >= 3);
    }
}

// Thirteen adversaries and twenty policies, with names and values of every length: no tile, name or
// title hides another, and nothing leaves the figure.
#[test]
fn no_text_of_a_matrix_is_cut_or_hides_another() {
    use crate::report::chart::{MatrixPanel, Tile};
    let tile = |at: usize| Tile {
        shade: at as f64 / 12.0,
        value: ["0.53", "-12345.67", "–", "none", "1.00"][at % 5].to_owned(),
        spread: ["±0.04", "", "identical", "finishes", "10/30 never", "never"][at % 6].to_owned(),
        is_marked: at.is_multiple_of(3),
    };
    let names = [
        "whitewasher",
        "x",
        "tit-for-tat-no-optimistic",
        "меч + щит",
        "公平な共有の方針",
    ];
    let name = |at: usize| names[at % names.len()].repeat(1 + at / 10);
    let panel = |title: &str| {
        Panel::Matrix(MatrixPanel {
            title: title.to_owned(),
            columns: (0..13).map(name).collect(),
            rows: (0..20)
                .map(|row| (name(row), (0..13).map(tile).collect()))
                .collect(),
        })
    };
    let figure = Figure {
        name: "matrix",
        legend: "policy".to_owned(),
        caption: String::new(),
        panels: vec![
            panel("population = equal"),
            panel(""),
            panel(&"a long title ".repeat(30)),
        ],
        columns: 1,
        metrics: Vec::new(),
    };
    let scene = scene(&figure);
    let found = faults(&scene);
    assert!(found.is_empty(), "{found:#?}");
    let shown = texts(&scene);
    for name in [
        "whitewasher",
        "tit-for-tat-no-optimistic",
        "0.53",
        "identical",
    ] {
        let count = shown.iter().filter(|(_, text)| text == name).count();
        assert!(count >= 3, "{name} {count}");
    }
    // Tiles are filled from white to the darkest.
    let fills = scene.elements.iter().filter_map(|element| match element {
        Primitive::Path(path) => path.fill.clone(),
        _ => None,
    });
    let fills: Vec<String> = fills.map(|fill| format!("{fill:?}")).collect();
    assert!(fills.contains(&format!("{:?}", Color::Rgb(255, 255, 255))));
    assert!(fills.contains(&format!("{:?}", Color::Rgb(23, 63, 95))));
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(draw(&figure, dir.path()).unwrap().files.len(), 3);
}

// The check sees what it is there for.
#[test]
fn a_text_that_is_cut_or_hides_another_is_a_fault() {
    let mut scene = Scene::new(100.0, 40.0);
    let look = Look::plain(TextAnchor::Start);
    text::text(&mut scene, (5.0, 20.0), "fits", &look);
    assert!(faults(&scene).is_empty());
    text::text(&mut scene, (20.0, 22.0), "fits not beside it", &look);
    let found = faults(&scene);
    assert_eq!(found.len(), 2, "{found:?}");
}

/// Columns of the drawing of `content` that have ink, the first and the last, in pixels.
fn ink(content: &str, scale: f32) -> (usize, usize) {
    let mut scene = Scene::new(600.0, 30.0);
    scene.font_family = Some(FONTS.to_owned());
    text::text(
        &mut scene,
        (10.0, 20.0),
        content,
        &Look::plain(TextAnchor::Start),
    );
    let bytes = RasterBackend::new().with_scale(scale).render_scene(&scene);
    let decoder = png::Decoder::new(std::io::Cursor::new(bytes.unwrap()));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    let row = info.line_size;
    let samples = info.color_type.samples();
    let is_dark = |column: &usize| {
        let rows = pixels.chunks(row);
        rows.into_iter().any(|row| row[column * samples] < 200)
    };
    let width = info.width as usize;
    let first = (0..width).find(is_dark).unwrap();
    (first, (0..width).rfind(is_dark).unwrap())
}

// Forty of a character push a bar to the right by forty of its widths: for each character the
// face has what the renderer has.
#[test]
fn the_widths_are_those_of_the_font_that_draws() {
    let look = Look::plain(TextAnchor::Start);
    let (bar, _) = ink("|", 2.0);
    for c in ('!'..='~').chain("Üßéłμ–…×Жя".chars()) {
        if matches!(c, '$' | '\\' | '|') {
            continue;
        }
        let many: String = std::iter::repeat_n(c, 40).collect();
        let (_, last) = ink(&format!("{many}|"), 2.0);
        let moved = last as f64 - bar as f64;
        let want = look.width(&many) * 2.0;
        assert!(
            (moved - want).abs() < 6.0,
            "{c:?}: drawn {moved}, face {want}"
        );
    }
}
