//! Lines in a picture.

use std::path::Path;

use plotters::prelude::*;

/// A line: its name, and its points.
pub(crate) type Line = (String, Vec<(f64, f64)>);

/// What is drawn.
pub(crate) struct Chart<'a> {
    pub title: &'a str,
    pub x: &'a str,
    pub y: &'a str,
    pub lines: Vec<Line>,
}

/// Width and height, pixels.
const SIZE: (u32, u32) = (760, 420);

impl Chart<'_> {
    /// Writes the picture.
    pub(crate) fn write(&self, path: &Path) -> Result<(), Box<dyn std::error::Error>> {
        let points = || self.lines.iter().flat_map(|(_, points)| points.iter());
        let end = |of: fn(&(f64, f64)) -> f64| points().map(of).fold(0.0, f64::max);
        let start = points().map(|(x, _)| *x).fold(f64::MAX, f64::min);
        let (last, top) = (end(|point| point.0), end(|point| point.1).max(f64::MIN_POSITIVE));
        let root = SVGBackend::new(path, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(36)
            .y_label_area_size(56)
            .build_cartesian_2d(start..last, 0.0..top * 1.05)?;
        chart.configure_mesh().x_desc(self.x).y_desc(self.y).light_line_style(WHITE).draw()?;
        for (at, (name, points)) in self.lines.iter().enumerate() {
            let colour = Palette99::pick(at).to_rgba();
            let line = LineSeries::new(points.iter().copied(), colour.stroke_width(2)).point_size(3);
            chart
                .draw_series(line)?
                .label(name.as_str())
                .legend(move |(x, y)| PathElement::new(vec![(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        root.present()?;
        Ok(())
    }
}
