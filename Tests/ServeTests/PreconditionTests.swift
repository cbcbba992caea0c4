import Serve
import Testing

/// Arguments that only a mistake in the program can cause.
@Suite struct PreconditionTests {
    enum Mistake: String, CaseIterable, Codable {
        case noBurst, noRate, noBounds, fallingBounds, noSlots, noAnswerPerClient, negativeQueue, noShare, noClients, tooManyClients

        func make() {
            switch self {
            case .noBurst: _ = RateLimiter.Rate(burst: 0, perMinute: 1)
            case .noRate: _ = RateLimiter.Rate(burst: 1, perMinute: 0)
            case .noBounds: _ = Histogram(bounds: [])
            case .fallingBounds: _ = Histogram(bounds: [1, 1])
            case .noSlots: _ = Admission(.init(slots: 0)) { $0() }
            case .noAnswerPerClient: _ = Admission(.init(perClient: 0)) { $0() }
            case .negativeQueue: _ = Admission(.init(maxWaiting: -1)) { $0() }
            case .noShare: _ = Admission(.init(share: 0)) { $0() }
            case .noClients: _ = RateLimiter(.init(burst: 1, perMinute: 1), maxClients: 0)
            case .tooManyClients: _ = RateLimiter(.init(burst: 1, perMinute: 1), maxClients: Int(Int32.max))
            }
        }
    }

    @Test func `the smallest and largest limits are possible`() {
        for clients in [1, Int(Int32.max) - 1] { _ = RateLimiter(.init(burst: 1, perMinute: 0.1), maxClients: clients) }
        _ = Admission(.init(slots: 1, maxWaiting: 0, perClient: 1, share: 1)) { $0() }
        _ = Histogram(bounds: [0])
    }

    @Test(arguments: Mistake.allCases) func `impossible limits stop the program`(mistake: Mistake) async {
        await #expect(processExitsWith: .failure) { [mistake] in mistake.make() }
    }
}
