import Files
import Glibc
package import Store

/// A point in time in the local time of this machine.
package struct LocalTime {
    private let parts: tm
    private let start: Timestamp

    package init(_ time: Timestamp) {
        var seconds = time_t(time.seconds), parts = tm()
        localtime_r(&seconds, &parts)
        self.parts = parts
        start = time
    }

    /// 20261122-030000
    package var compact: String { localTimeText(start.seconds, "%Y%m%d-%H%M%S") }

    /// The next time with this minute of the day, after this one. A minute that a change to summer time skips comes an hour later.
    package func next(minuteOfDay: Int) -> Timestamp {
        for days in Int32(0)...2 {
            var next = parts
            next.tm_mday += days
            next.tm_hour = Int32(minuteOfDay / 60)
            next.tm_min = Int32(minuteOfDay % 60)
            next.tm_sec = 0
            next.tm_isdst = -1
            let time = Timestamp(milliseconds: Int64(mktime(&next)) * 1_000)
            if time > start { return time }
        }
        return start.advanced(by: .seconds(86_400))
    }
}
