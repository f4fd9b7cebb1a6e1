//! [`Plot`]: lines over logarithmic axes as an SVG file.

use std::fmt::Write as _;

use crate::Result;
use crate::warehouse::cache;

const WIDTH: f64 = 760.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 250.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 50.0;
/// Colours that stay apart for those who see few of them.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// Some points that belong together.
#[derive(Debug)]
pub struct Line {
    /// What they are of.
    pub name: String,
    /// Both greater than 0.
    pub points: Vec<(f64, f64)>,
}

/// Lines over two axes, both logarithmic.
#[derive(Debug)]
pub struct Plot {
    /// Above the lines.
    pub title: String,
    /// What is told from left to right.
    pub across: String,
    /// What is told upwards.
    pub up: String,
    /// The lines.
    pub lines: Vec<Line>,
}

/// From a value to a place on an axis.
struct Axis {
    from: f64,
    to: f64,
    begin: f64,
    end: f64,
}

impl Axis {
    /// From one power of ten to another around all values.
    fn around(values: impl Iterator<Item = f64>, begin: f64, end: f64) -> Self {
        let (mut from, mut to) = (f64::INFINITY, f64::NEG_INFINITY);
        for value in values.filter(|value| *value > 0.0) {
            (from, to) = (from.min(value.log10()), to.max(value.log10()));
        }
        let (from, to) = if from <= to { (from.floor(), to.ceil()) } else { (0.0, 1.0) };
        Self { from, to: if to > from { to } else { from + 1.0 }, begin, end }
    }

    fn place(&self, value: f64) -> f64 {
        self.begin + (value.log10() - self.from) / (self.to - self.from) * (self.end - self.begin)
    }

    fn powers(&self) -> impl Iterator<Item = f64> {
        (self.from as i32..=self.to as i32).map(|power| 10_f64.powi(power))
    }
}

impl Plot {
    /// Writes the drawing into the folder of benches' results, and says where.
    pub fn write(&self, name: &str) -> Result<()> {
        let folder = cache()?.join("weir");
        std::fs::create_dir_all(&folder)?;
        std::fs::write(folder.join(name), self.svg()?)?;
        println!("drawn in {}", folder.join(name).display());
        Ok(())
    }

    /// The drawing.
    pub fn svg(&self) -> Result<String> {
        let points = || self.lines.iter().flat_map(|line| line.points.iter());
        let across = Axis::around(points().map(|(x, _)| *x), LEFT, WIDTH - RIGHT);
        let up = Axis::around(points().map(|(_, y)| *y), HEIGHT - BOTTOM, TOP);
        let mut svg = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="{LEFT}" y="22" font-size="14">{}</text>
"#,
            escaped(&self.title)
        );
        for value in across.powers() {
            let x = across.place(value);
            writeln!(
                svg,
                r##"<path d="M{x:.1} {TOP}V{}" stroke="#ddd"/><text x="{x:.1}" y="{}" text-anchor="middle">{value}</text>"##,
                HEIGHT - BOTTOM,
                HEIGHT - BOTTOM + 18.0
            )?;
        }
        for value in up.powers() {
            let y = up.place(value);
            writeln!(
                svg,
                r##"<path d="M{LEFT} {y:.1}H{}" stroke="#ddd"/><text x="{}" y="{:.1}" text-anchor="end">{value}</text>"##,
                WIDTH - RIGHT,
                LEFT - 8.0,
                y + 4.0
            )?;
        }
        let middle = f64::midpoint(LEFT, WIDTH - RIGHT);
        writeln!(
            svg,
            r#"<text x="{middle}" y="{}" text-anchor="middle">{}</text>"#,
            HEIGHT - 12.0,
            escaped(&self.across)
        )?;
        writeln!(
            svg,
            r#"<text transform="translate(18 {}) rotate(-90)" text-anchor="middle">{}</text>"#,
            f64::midpoint(TOP, HEIGHT - BOTTOM),
            escaped(&self.up)
        )?;
        for (line, colour) in self.lines.iter().zip(COLOURS.iter().cycle()) {
            let places: Vec<_> = line.points.iter().map(|(x, y)| (across.place(*x), up.place(*y))).collect();
            let path: Vec<String> = places.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
            writeln!(
                svg,
                r#"<path d="M{}" fill="none" stroke="{colour}" stroke-width="2"/>"#,
                path.join("L")
            )?;
            for (x, y) in &places {
                writeln!(svg, r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{colour}"/>"#)?;
            }
        }
        for (place, (line, colour)) in self.lines.iter().zip(COLOURS.iter().cycle()).enumerate() {
            let y = TOP + 14.0 + place as f64 * 20.0;
            let x = WIDTH - RIGHT + 16.0;
            writeln!(
                svg,
                r#"<path d="M{x} {}h18" stroke="{colour}" stroke-width="2"/><text x="{}" y="{y}">{}</text>"#,
                y - 4.0,
                x + 26.0,
                escaped(&line.name)
            )?;
        }
        svg.push_str("</svg>\n");
        Ok(svg)
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
