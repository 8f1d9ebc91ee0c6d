//! Tables as kubectl prints them.

/// Rows of cells in columns with two spaces between; `color` gives the ANSI color of a cell by its column, where it has
/// one. The first row is the head.
pub(crate) fn aligned<const N: usize>(
    rows: &[[String; N]],
    color: impl Fn(usize, &str) -> Option<&'static str>,
) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let mut padding = 0;
        for (column, (cell, width)) in row.iter().zip(widths).enumerate() {
            text.push_str(&" ".repeat(padding));
            match color(column, cell).filter(|_| number > 0) {
                Some(color) => text.push_str(&format!("\u{1b}[{color}m{cell}\u{1b}[0m")),
                None => text.push_str(cell),
            }
            padding = width.saturating_sub(cell.chars().count()) + 2;
        }
        text.push('\n');
    }
    text
}

/// Seconds as kubectl writes ages, roughly; the server's clock may be ahead of this machine's.
pub(crate) fn age(seconds: i64) -> String {
    match seconds.max(0) {
        seconds @ 0..120 => format!("{seconds}s"),
        seconds @ 120..7_200 => format!("{}m", seconds / 60),
        seconds @ 7_200..172_800 => format!("{}h", seconds / 3_600),
        seconds => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_are_written_as_kubectl_writes_them() {
        let ages = [-5, 0, 119, 120, 7_199, 7_200, 172_799, 172_800].map(age);
        assert_eq!(ages, ["0s", "0s", "119s", "2m", "119m", "2h", "47h", "2d"]);
    }

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_colors_take_no_room() {
        let rows = [["A", "B"], ["long", "x"], ["y", ""]].map(|row| row.map(str::to_owned));
        let green = |column: usize, _: &str| (column == 0).then_some("32");
        assert_eq!(
            aligned(&rows, green),
            "A     B\n\u{1b}[32mlong\u{1b}[0m  x\n\u{1b}[32my\u{1b}[0m     \n"
        );
    }
}
