//! What keys do and what columns mean.

use super::canvas::{Canvas, wrapped};
use crate::commands::top::ui::Ui;

const HELP: &str = "\
Up, Down, PageUp, PageDown, Home, End (or k, j, g, G): to another link
Enter   its queues; Esc, Backspace or Enter: back
/       only links that hold a text: a process, a pid, a socket, a number
        of `memif links`; Enter keeps the filter, Esc ends it
s, S    sort by the next column, or the one before (also >, < and arrows)
r       the other way round
p       pause, and go on (also the space bar)
z       forget the peaks
Ctrl-L  draw anew; Ctrl-Z: to the shell; q or Ctrl-C: end

Two lines for each link, one for each end, with what that end sends.
PKTS/S     >= there may have been more: a cursor may have made a whole turn
           unseen; ~ there are chains of buffers, told from some of them
BYTES/S    told from the lengths of some packets (~)
RING       how full it is, on average; the mark is its peak
PEAK       how full it has ever been
FULL       part of the looks that found no room for the sender
EMPTY      part of the looks that found nothing for the receiver
Of several queues the rates are sums; else the one that stands worst.
WAIT       the receiver polls, or wants to be signalled (sleep)
s>m, m>s   from slave to master, from master to slave; ?: nothing tells
           which process is which end";

pub(super) fn draw(ui: &mut Ui, canvas: &mut Canvas<'_>, (y, height): (u16, u16)) {
    let width = usize::from(canvas.area.width).max(1);
    let fold = |line: &str| if line.len() > width { wrapped(line, width) } else { vec![line.to_owned()] };
    let lines: Vec<String> = HELP.lines().flat_map(fold).collect();
    ui.page = usize::from(height).max(1);
    ui.scrolled = ui.scrolled.min(lines.len().saturating_sub(height.into()));
    for (line, y) in lines.iter().skip(ui.scrolled).zip(y..y + height) {
        canvas.put(0, y, line, canvas.theme.plain());
    }
}
