//! The errors of a plane in colors.

use maud::{Markup, html};
use relattn_conformance::heat::Heat;

const CELL: usize = 8;

/// Cells within the tolerance are blue, those past it yellow to red.
pub(super) fn of(heat: &Heat) -> Markup {
    let height = heat.cells.len() * CELL;
    let width = heat.cells.first().map_or(0, Vec::len) * CELL;
    html! {
        figure {
            figcaption {
                (heat.title) ": " (heat.rows) " x " (heat.columns) ", down: " (heat.row) ", across: " (heat.column)
                "; blue is within what is allowed, yellow to red up to a thousand times that and more"
            }
            svg viewBox=(format!("0 0 {width} {height}")) style=(format!("max-width: {}px", 2 * width)) role="img" {
                @for (y, row) in heat.cells.iter().enumerate() {
                    @for (x, &share) in row.iter().enumerate() {
                        rect x=(x * CELL) y=(y * CELL) width=(CELL) height=(CELL) fill=(color(share)) { title { (share) } }
                    }
                }
            }
        }
    }
}

fn color(share: f32) -> String {
    if share <= 1.0 {
        return format!("hsl(210 45% {:.0}%)", 22.0 + 30.0 * share);
    }
    let past = (share.log10() / 3.0).min(1.0);
    format!("hsl({:.0} 90% 52%)", 50.0 - 50.0 * past)
}
