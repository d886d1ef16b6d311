//! What happens every second: rates, progress, durability, timetables, calls.
//!
//! Decides nothing of its own.

use fairhaul_core::id::PeerId;
use fairhaul_core::node::Input;
use fairhaul_core::uplink::Target;

use super::host::Host;

impl Host {
    /// A second has passed.
    pub(super) fn second(&mut self) {
        for (_, row) in self.peers.iter_mut() {
            let traffic = &mut row.traffic;
            traffic.rate = (
                traffic.up - traffic.before.0,
                traffic.down - traffic.before.1,
            );
            traffic.before = (traffic.up, traffic.down);
        }
        self.watch.second();
        let moved = self
            .peers
            .iter()
            .map(|(peer, row)| (peer, row.traffic.rate));
        self.watch.history.sample(self.clock.now(), moved);
        let linked: Vec<PeerId> = self.peers.linked().map(|(peer, _)| peer).collect();
        for peer in linked {
            // Contents that are gone here took bitfields of theirs with them.
            self.count_claims(peer);
        }
        let held = self.budget.books().held();
        self.watch
            .metrics
            .held_bytes
            .set(i64::try_from(held).unwrap_or(i64::MAX));
        self.tick_library();
        for (content, row) in self.contents.iter() {
            self.report(content, row);
        }
        self.report_pushes();
        self.note_windows();
        self.expire_bans();
        self.dial();
        self.review_pings();
        self.timetable();
    }

    /// Brings the node's limits in line with the time of the week.
    pub(super) fn timetable(&mut self) {
        let limits = &self.settings.params.limits;
        if limits.schedule.is_empty() {
            return;
        }
        let now = jiff::Zoned::now();
        let minute =
            u32::from(now.hour().unsigned_abs()) * 60 + u32::from(now.minute().unsigned_abs());
        let (upload, download) = limits.at(now.weekday(), minute);
        if self.timetable == Some((upload, download)) {
            return;
        }
        self.timetable = Some((upload, download));
        self.limits.scheduled = (upload, download) != (limits.upload.rate(), limits.download.get());
        self.limits
            .change(Target::Node, |limit| limit.cap = upload, &self.settings);
        self.apply(Target::Node);
        self.limits.download = download;
        self.tell(Input::Download { rate: download });
    }
}
