//! What the page promises: well-formed, escaped, self-contained, and never at a loss.

use image::RgbImage;
use limen::evaluate::report::*;
use scraper::{Html, Selector};

const HOSTILE: &str = "</title><script src=http://x.invalid/a.js>'\"&\u{1}<img onerror=alert(1)>";

fn series(points: &[(f64, f64)]) -> Vec<Series> {
    vec![Series { name: HOSTILE.into(), points: points.to_vec() }]
}

fn histogram(counts: &[u64], density: Scale) -> Item {
    Item::Histogram(Histogram {
        caption: HOSTILE.into(),
        score: HOSTILE.into(),
        range: (0.0, 4.0),
        density,
        populations: vec![Population { name: HOSTILE.into(), counts: counts.to_vec() }],
        cut: Some(Cut { at: 1.2, label: HOSTILE.into() }),
    })
}

fn report(items: Vec<Item>) -> Report {
    let text = || HOSTILE.to_owned();
    Report {
        evaluation: Evaluation::Liveness,
        title: text(),
        summary: text(),
        origin: Origin {
            written_at: text(),
            command: text(),
            version: text(),
            model: text(),
            data: text(),
        },
        headline: vec![Row::new(text(), Value::Text(text()))],
        notes: vec![text()],
        sections: vec![Section { heading: text(), text: text(), items }],
    }
}

fn everything() -> Report {
    let face = || Face { path: HOSTILE.into(), picture: RgbImage::new(112, 112) };
    let case = Case {
        truth: Truth::Attack(HOSTILE.into()),
        wrong: Some(true),
        score: f64::NAN,
        faces: vec![face(), face()],
    };
    let points = [(0.0, 1.0), (1e-6, 0.2), (f64::NAN, 0.1), (1e-2, 0.01), (1.0, 0.0)];
    let mark = Mark { label: HOSTILE.into(), at: (1e-4, 0.1) };
    report(vec![
        Item::Table(Table {
            caption: HOSTILE.into(),
            rows: vec![Row::new(HOSTILE, Value::Percent(0.5)).within(0.4, 0.6)],
            interval: HOSTILE.into(),
            note: HOSTILE.into(),
        }),
        Item::Curves(Curves::det(HOSTILE, series(&points), vec![mark])),
        Item::Curves(Curves::roc(HOSTILE, series(&points), vec![])),
        histogram(&[0, 3, 9, 2, 0], Scale::Linear),
        Item::Cases(Cases { caption: HOSTILE.into(), cases: vec![case; MAX_CASES + 3] }),
    ])
}

fn parsed(report: &Report) -> Html {
    Html::parse_document(&render(report).expect("a page"))
}

fn all<'a>(page: &'a Html, selector: &str) -> Vec<scraper::ElementRef<'a>> {
    page.select(&Selector::parse(selector).expect("a selector")).collect()
}

fn text_of(page: &Html) -> String {
    page.root_element().text().collect()
}

#[test]
fn the_page_is_well_formed() {
    let page = parsed(&everything());
    assert!(page.errors.is_empty(), "{:?}", page.errors);
    assert_eq!(all(&page, "html[lang=en] h1").len(), 1);
    assert_eq!(all(&page, "th:not([scope])").len(), 0);
    assert_eq!(all(&page, "img:not([alt])").len(), 0);
}

#[test]
fn hostile_names_stay_text() {
    let html = render(&everything()).expect("a page");
    assert!(!html.contains("<script") && !html.contains("<img onerror"));
    assert!(!html.contains('\u{1}'), "control characters are replaced");
    let page = Html::parse_document(&html);
    assert_eq!(all(&page, "script, [onerror]").len(), 0);
    let shown = all(&page, "h1")[0].text().collect::<String>();
    assert_eq!(shown, HOSTILE.replace('\u{1}', "\u{fffd}"));
}

#[test]
fn nothing_outside_the_file_is_referenced() {
    let page = parsed(&everything());
    for element in all(&page, "*") {
        let reference = element.value().attrs().filter(|(name, _)| {
            ["src", "href", "xlink:href", "srcset", "data", "action", "style"].contains(name)
        });
        for (_, target) in reference {
            assert!(target.starts_with('#') || target.starts_with("data:image/jpeg;"), "{target}");
        }
    }
    let style = all(&page, "style")[0].text().collect::<String>();
    assert!(!style.contains("url(") && !style.contains("@import"));
    assert_eq!(all(&page, "link, iframe, object, embed").len(), 0);
}

#[test]
fn every_figure_has_a_caption_and_every_plot_a_title_and_a_description() {
    let page = parsed(&everything());
    assert_eq!(all(&page, "figure").len(), 3 + MAX_CASES);
    assert_eq!(all(&page, "figure > figcaption").len(), all(&page, "figure").len());
    assert_eq!(all(&page, "svg[role=img] > title").len(), 3);
    assert_eq!(all(&page, "svg[role=img] > desc").len(), 3);
}

#[test]
fn empty_series_draw_an_empty_plot_with_a_note() {
    for items in [
        vec![Item::Curves(Curves::det("d", vec![], vec![]))],
        vec![Item::Curves(Curves::roc("r", series(&[]), vec![]))],
        vec![Item::Curves(Curves::identification_det("i", series(&[(f64::NAN, 1.0)]), vec![]))],
        vec![histogram(&[], Scale::Linear)],
        vec![histogram(&[0, 0], Scale::Log)],
    ] {
        let page = parsed(&report(items));
        assert_eq!(all(&page, "svg").len(), 1);
        assert!(text_of(&page).contains("to draw."));
    }
}

#[test]
fn a_single_point_is_drawn() {
    let page =
        parsed(&report(vec![Item::Curves(Curves::det("d", series(&[(1e-3, 0.02)]), vec![]))]));
    assert!(!all(&page, "svg circle").is_empty());
}

#[test]
fn zeros_on_a_logarithmic_axis_are_said_and_undefined_points_left_out() {
    let points = [(0.0, 0.5), (1e-3, 0.1), (f64::NAN, 0.1), (1e-1, 0.0)];
    let page = parsed(&report(vec![Item::Curves(Curves::det("d", series(&points), vec![]))]));
    let text = text_of(&page);
    assert!(text.contains("has no zero): 2 points"), "{text}");
    assert!(text.contains("Undefined and left out: 1 point"), "{text}");
}

#[test]
fn extreme_points_neither_panic_nor_draw_outside_the_canvas() {
    let wild = [f64::MIN, -1.0, 0.0, 1e-300, 0.5, 1.0, 1e300, f64::INFINITY];
    let points: Vec<_> = wild.iter().flat_map(|x| wild.map(|y| (*x, y))).collect();
    let axis = Axis::linear("x", Unit::Number, 0.0, 1.0);
    for curves in [
        Curves::det("d", series(&points), vec![]),
        Curves::liveness("l", series(&points), vec![]),
        Curves { x: axis.clone(), y: axis, ..Curves::roc("r", series(&points), vec![]) },
    ] {
        render(&report(vec![Item::Curves(curves)])).expect("a page");
    }
}

#[test]
fn a_million_points_make_a_small_page() {
    let points: Vec<_> = (1..1_000_000).map(|i| f64::from(i) / 1e6).map(|x| (x, 1.0 - x)).collect();
    let html = render(&report(vec![Item::Curves(Curves::roc("r", series(&points), vec![]))]));
    assert!(html.expect("a page").len() < 200_000);
}

#[test]
fn only_the_first_cases_are_shown_and_the_rest_is_counted() {
    let page = parsed(&everything());
    assert_eq!(all(&page, ".case").len(), MAX_CASES);
    assert!(text_of(&page).contains("more are not shown"));
}

#[test]
fn liveness_says_that_it_is_no_certification() {
    assert!(text_of(&parsed(&report(vec![]))).contains("This is no certification."));
}
