import Glibc
import TestSupport
import Testing
import Threads

/// Messages to a service manager: systemd's sd_notify.
@Suite struct ServiceNotifierTests {
    @Test(arguments: [false, true]) func `messages arrive at a path and at an abstract name`(isAbstract: Bool) {
        let folder = TemporaryFolder()
        let address = isAbstract ? "@slm-tests-\(getpid())-\(UInt32.random(in: 0 ... .max))" : folder("notify")
        let manager = TestSocket.unixDatagram(address)
        let notifier = ServiceNotifier(["NOTIFY_SOCKET": address])
        #expect(notifier.ready("serving first") && manager.message() == "READY=1\nSTATUS=serving first")
        #expect(notifier.status("a line\nREADY=0\r\nanother") && manager.message() == "STATUS=a line READY=0 another")
        #expect(notifier.stopping("bye") && manager.message() == "STOPPING=1\nSTATUS=bye")
        #expect(!notifier.alive() && notifier.watchdogTimeout == nil)
    }

    @Test func `a watchdog gets messages if it watches this process`() {
        let folder = TemporaryFolder()
        let manager = TestSocket.unixDatagram(folder("notify"))
        func notifier(_ more: [String: String]) -> ServiceNotifier {
            ServiceNotifier(["NOTIFY_SOCKET": folder("notify")].merging(more) { $1 }, process: 7)
        }
        #expect(notifier(["WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "7"]).watchdogTimeout == .seconds(30))
        #expect(notifier(["WATCHDOG_USEC": "500000"]).watchdogTimeout == .milliseconds(500))
        #expect(notifier(["WATCHDOG_USEC": "1", "WATCHDOG_PID": "8"]).watchdogTimeout == nil)
        for number in ["0", "-5", "1s", ""] { #expect(notifier(["WATCHDOG_USEC": number]).watchdogTimeout == nil) }
        #expect(notifier(["WATCHDOG_USEC": "1"]).alive() && manager.message() == "WATCHDOG=1")
    }

    @Test func `a manager that reads nothing does not block the process`() {
        let folder = TemporaryFolder()
        let manager = TestSocket.unixDatagram(folder("notify"))
        let notifier = ServiceNotifier(["NOTIFY_SOCKET": folder("notify"), "WATCHDOG_USEC": "1000000"])
        var sent = 0
        while notifier.alive() { sent += 1 }
        #expect(sent > 0 && !notifier.ready("ready"))
        for _ in 0..<sent { #expect(manager.message() == "WATCHDOG=1") }
        #expect(notifier.ready("ready") && manager.message() == "READY=1\nSTATUS=ready")
    }

    @Test(arguments: [nil, "", "/", "@", "relative", "vsock:2:1234", "/nowhere/at/all", "/" + String(repeating: "x", count: 200)])
    func `without a manager, nothing is sent`(address: String?) {
        let notifier = ServiceNotifier(address.map { ["NOTIFY_SOCKET": $0, "WATCHDOG_USEC": "1000000"] } ?? [:])
        #expect(!notifier.ready("ready"))
    }
}
