import Serve
import Store
import Testing

/// When the schedule starts a run, with a clock of the test.
@Suite struct ScheduledRunsTests {
    private let noon = Timestamp(milliseconds: 1_795_000_000_000)

    private func schedule(at minute: Int?, newChats: Int?, nextAt: Timestamp? = nil) -> TrainingSchedule {
        var schedule = TrainingSchedule()
        schedule.isEnabled = true
        schedule.startMinute = minute
        schedule.newChats = newChats
        schedule.nextAt = nextAt
        return schedule
    }

    private func step(_ schedule: TrainingSchedule, _ now: Timestamp, chats: Int = 5, isFree: Bool = true) -> ScheduledRuns.Step {
        ScheduledRuns.step(schedule, at: now, newChats: { chats }, isFree: isFree)
    }

    @Test func `it is off by default, and then counts no chats`() {
        let step = ScheduledRuns.step(TrainingSchedule(), at: noon, newChats: {
            Issue.record("counted chats")
            return 0
        }, isFree: true)
        #expect(step == .nothing)
        #expect(self.step(schedule(at: nil, newChats: nil), noon) == .nothing)
    }

    @Test func `a run starts after enough new chats, when no other one is in progress`() {
        let schedule = schedule(at: nil, newChats: 20)
        #expect(step(schedule, noon, chats: 19) == .nothing)
        #expect(step(schedule, noon, chats: 20) == .run(next: nil))
        #expect(step(schedule, noon, chats: 20, isFree: false) == .nothing)
    }

    @Test func `a run starts every night, once, if there are new chats`() {
        let due = noon.advanced(by: .seconds(60)), minute = 180
        let nightly = schedule(at: minute, newChats: nil, nextAt: due)
        #expect(step(nightly, noon) == .nothing)
        let next = LocalTime(due).next(minuteOfDay: minute)
        #expect(step(nightly, due) == .run(next: next) && next > due)
        #expect(step(nightly, due, chats: 0) == .wait(until: next))
        #expect(step(schedule(at: minute, newChats: 9, nextAt: due), due, chats: 8) == .wait(until: next))
        #expect(step(nightly, due, isFree: false) == .nothing)
        // The servers were off at the time.
        let soon = due.advanced(by: .seconds(3_599))
        #expect(step(nightly, soon) == .run(next: LocalTime(soon).next(minuteOfDay: minute)))
        let late = due.advanced(by: .seconds(3_601))
        #expect(step(nightly, late) == .wait(until: LocalTime(late).next(minuteOfDay: minute)))
        #expect(step(schedule(at: minute, newChats: nil), noon) == .wait(until: LocalTime(noon).next(minuteOfDay: minute)))
    }

    @Test func `another machine waits a minute for that of the schedule`() {
        let due = ContinuousClock.now, patience = ScheduledRuns.patience
        var schedule = schedule(at: nil, newChats: 1)
        schedule.machine = "a"
        for (machine, time, waits) in [
            ("a", Duration.zero, false), ("b", .zero, true), ("b", patience - .nanoseconds(1), true), ("b", patience, false),
        ] { #expect(ScheduledRuns.waits(for: schedule, on: machine, since: due, at: due + time) == waits, "\(machine) \(time)") }
    }

    @Test func `the next time is the minute of a day, at most a day away`() {
        var time = noon
        for minute in [0, 1, 180, 719, 720, 1_439] {
            let next = LocalTime(time).next(minuteOfDay: minute)
            let away = next.milliseconds - time.milliseconds
            #expect(away > 0 && away <= 25 * 3_600_000, "\(time) \(minute) \(next)")
            let text = LocalTime(next).compact
            let digits = { (number: Int) in number < 10 ? "0\(number)" : "\(number)" }
            #expect(text.hasSuffix("-\(digits(minute / 60))\(digits(minute % 60))00"), "\(text)")
            #expect(LocalTime(next).next(minuteOfDay: minute) > next)
            time = time.advanced(by: .seconds(12_345))
        }
    }
}
