import HTTPServer
import Serve
import TestSupport
import Testing

@Suite struct RateLimiterTests {
    let start = ContinuousClock.now
    let ada = ClientKey.account("ada")

    private func key(_ address: String) -> ClientKey? { PeerAddress(address).map { ClientKey($0) } }
    private func time(_ milliseconds: Int) -> ContinuousClock.Instant { start + .milliseconds(milliseconds) }

    @Test func `a burst is allowed, then one request per interval`() {
        let limiter = RateLimiter(.init(burst: 3, perMinute: 30))               // one every two seconds
        #expect((0..<3).allSatisfy { _ in limiter.takeToken(for: ada, at: time(0)) == nil })
        #expect(limiter.takeToken(for: ada, at: time(0)) == 2 && limiter.takeToken(for: ada, at: time(900)) == 2)
        #expect(limiter.takeToken(for: ada, at: time(1_001)) == 1)
        #expect(limiter.takeToken(for: .account("eve"), at: time(0)) == nil)
        #expect(limiter.takeToken(for: ada, at: time(2_000)) == nil && limiter.takeToken(for: ada, at: time(2_000)) == 2)
        // The bucket never holds more than three.
        #expect((0..<3).allSatisfy { _ in limiter.takeToken(for: ada, at: time(3_600_000)) == nil })
        #expect(limiter.takeToken(for: ada, at: time(3_600_000)) == 2)
    }

    @Test func `the addresses of an IPv6 network of a customer share a limit`() throws {
        let limiter = ClientLimiter(perMinute: 10)
        func take(_ address: String) throws -> Bool {
            limiter.takeToken(for: try #require(key(address)), at: time(0)) == nil
        }
        #expect(try (0..<11).map { try take("2001:db8:1:200::\($0)") }.count { $0 } == 10)
        // The 256 networks of /64 in one of /56 have four times the limit of one.
        #expect(try (0..<60).map { try take("2001:db8:1:2\(String(16 + $0, radix: 16))::1") }.count { $0 } == 30)
        #expect(try take("2001:db8:1:300::1") && take("2001:db8:1:1ff::1") && take("192.0.2.1"))
        let last = try #require(key("2001:db8:1:2ff::1"))
        #expect(limiter.secondsUntilToken(for: last, at: time(0)) != nil && limiter.secondsUntilToken(for: ada, at: time(0)) == nil)
    }

    @Test func `a client that waits the returned time gets a token`() {
        let limiter = RateLimiter(.init(burst: 2, perMinute: 7))
        var random = TestRandom(3)
        var now = 0
        var waits = 0
        for _ in 0..<500 {
            if let seconds = limiter.takeToken(for: ada, at: time(now)) {
                #expect(limiter.takeToken(for: ada, at: time(now + seconds * 1_000)) == nil)
                now += seconds * 1_000
                waits += 1
            }
            now += random.below(9_000)
        }
        #expect(waits > 50)
    }

    @Test func `matches a reference token bucket`() {
        let limiter = RateLimiter(.init(burst: 5, perMinute: 60))
        var random = TestRandom(4)
        var now = 0
        var last = 0
        var tokens = 5_000                                                      // in thousandths
        for _ in 0..<5_000 {
            now += random.below(1_500)
            tokens = min(5_000, tokens + now - last)
            last = now
            let wait = limiter.takeToken(for: ada, at: time(now))
            #expect(wait == (tokens >= 1_000 ? nil : (1_000 - tokens + 999) / 1_000))
            if tokens >= 1_000 { tokens -= 1_000 }
        }
    }

    @Test func `the number of clients is bounded, and the least recent one is evicted`() {
        let limiter = RateLimiter(.init(burst: 1, perMinute: 1), maxClients: 1_000)
        #expect(limiter.takeToken(for: ada, at: time(0)) == nil)
        for i in 0..<100_000 {
            #expect(limiter.takeToken(for: .ipv4(UInt32(i)), at: time(1)) == nil)
            // A client with frequent requests is not evicted.
            if i % 500 == 0 { #expect(limiter.takeToken(for: ada, at: time(1)) == 60) }
        }
        // With Ada, these are 1,000.
        #expect((0..<100_000).count { limiter.secondsUntilToken(for: .ipv4(UInt32($0)), at: time(2)) != nil } == 999)
        #expect(limiter.takeToken(for: .ipv4(99_999), at: time(2)) == 60 && limiter.takeToken(for: .ipv4(0), at: time(2)) == nil)
    }

    @Test func `addresses with the same prefix are one client`() {
        #expect(key("192.0.2.1") == .ipv4(0xC000_0201) && key("::ffff:192.0.2.1") == .ipv4(0xC000_0201))
        #expect(key("2001:db8:1:2::7") == .ipv6(0x2001_0DB8_0001_0002))
        #expect(key("2001:db8:1:2:ffff::1") == .ipv6(0x2001_0DB8_0001_0002))
        #expect(key("2001:db8:1:3::7") != key("2001:db8:1:2::7"))
        #expect(key("::1") == .ipv6(0) && key("fe80::1") == .ipv6(0xFE80 << 48))
        for text in ["", "localhost", "192.0.2", "192.0.2.1:80", "[::1]", "1.2.3.4.5", "::g"] { #expect(key(text) == nil) }
    }
}
