import HTTPServer
import Infer
import Secrets
import Store
import Synchronization
import Threads

/// What the routes work with.
final class App: Sendable {
    let settings: ServeSettings
    let store: Store
    let models: ModelHolder
    let desk: Desk
    let metrics: Metrics
    let crews: Crews
    let signer: SessionTokenSigner
    let passwords: PasswordHasher
    let rates: Rates
    let talks = Talks()
    let chatLog: ChatLog?
    let files = WebFiles()
    private let start = monotonicSeconds()
    private let leaving = Atomic(false)

    init(_ settings: ServeSettings, _ store: Store, _ signer: SessionTokenSigner, _ chatLog: ChatLog?, _ models: ModelHolder) throws {
        self.settings = settings
        self.store = store
        self.signer = signer
        self.chatLog = chatLog
        self.models = models
        let queue = FairQueue(.init(places: settings.places, waiting: settings.waiting, perPerson: settings.perPerson))
        crews = try Crews()
        metrics = Metrics(routes: Self.routes.map(\.pattern), version: settings.version) { queue.status }
        desk = Desk(queue, crews.reading, metrics)
        passwords = PasswordHasher(cost: settings.passwordCost)
        rates = Rates(settings)
    }

    var isLeaving: Bool { leaving.load(ordering: .relaxed) }
    var uptime: Double { monotonicSeconds() - start }

    func leave() {
        leaving.store(true, ordering: .relaxed)
        desk.close()
    }

    /// The model, for chats.
    var chatModel: ServedModel {
        get throws(Failure) {
            if isLeaving { throw .stopping }
            let model = try models.ready
            if let modelInfo = model.modelInfo, modelInfo.renderer == nil {
                throw Failure(GenerationError.noChatTemplate(model: model.name))
            }
            return model
        }
    }
}

/// Threads for what may not hold up a connection's own.
struct Crews: Sendable {
    /// Waits for the database; reads long texts; hashes passwords, which takes a core for a quarter of a second each.
    let store, reading, hashing: ThreadPool

    init() throws(ThreadError) {
        store = try ThreadPool(threads: 8, maxQueued: 2_000)
        reading = try ThreadPool(threads: 2, maxQueued: 2_000)
        hashing = try ThreadPool(threads: 1, maxQueued: 32)
    }

    subscript(place: Route.Place) -> ThreadPool? {
        switch place {
        case .here: nil
        case .store: store
        case .reading: reading
        case .hashing: hashing
        }
    }
}

/// How often somebody may do what costs us something.
struct Rates: Sendable {
    /// `guesses` are wrong passwords for one account, and wrong keys of the owner's from one address.
    private let chats, signIns, registrations, guesses: RateLimiter?

    init(_ settings: ServeSettings) {
        func limiter(_ perMinute: Int) -> RateLimiter? {
            perMinute > 0 ? RateLimiter(.init(burst: perMinute, perMinute: Double(perMinute))) : nil
        }
        chats = limiter(settings.chatsPerMinute)
        signIns = limiter(settings.signInsPerMinute)
        registrations = limiter(settings.registrationsPerMinute)
        guesses = limiter(min(settings.signInsPerMinute, 10))
    }

    func checkChat(_ person: Person) throws(Failure) { try Self.check(chats, person, "Too many questions in a minute.") }
    func checkSignIn(_ person: Person) throws(Failure) { try Self.check(signIns, person, "Too many attempts to sign in.") }
    func checkRegistration(_ person: Person) throws(Failure) {
        try Self.check(registrations, person, "Too many accounts from this address.")
    }

    /// Where somebody guesses: a name means nothing at another kind of door.
    enum Door {
        case account(String)
        case owner(from: PeerAddress)

        fileprivate var person: Person {
            switch self {
            case .account(let name): .account("account \(name.lowercased())")
            case .owner(let address): .account("owner from \(address.household)")
            }
        }
    }

    /// Whether a guess will be looked at, be it right or wrong: many addresses together guess no faster than one.
    func checkGuess(at door: Door) throws(Failure) {
        if let seconds = guesses?.missing(for: door.person, at: .now) { throw Self.refusal("Too many wrong guesses.", seconds) }
    }

    func noteWrongGuess(at door: Door) { _ = guesses?.wait(for: door.person, at: .now) }

    private static func check(_ limiter: RateLimiter?, _ person: Person, _ text: String) throws(Failure) {
        if let seconds = limiter?.wait(for: person, at: .now) { throw refusal(text, seconds) }
    }

    private static func refusal(_ text: String, _ seconds: Int) -> Failure {
        .tooMany("\(text) Wait for \(seconds) seconds.", seconds: seconds)
    }
}

/// Conversations that are being answered, one answer each.
final class Talks: Sendable {
    private let places = Mutex<[ConversationID: Place]>([:])

    func begin(_ conversation: ConversationID, _ place: Place) throws(Failure) {
        let isFree = places.withLock { places in
            if places[conversation] != nil { return false }
            places[conversation] = place
            return true
        }
        if !isFree {
            throw Failure(
                status: .conflict, code: "answering", message: "This conversation is being answered. Wait, or stop that answer.",
                retryAfter: 1)
        }
    }

    var isEmpty: Bool { places.withLock(\.isEmpty) }

    func end(_ conversation: ConversationID) { _ = places.withLock { $0.removeValue(forKey: conversation) } }

    /// Ends what is being said there.
    func cancel(_ conversation: ConversationID) { places.withLock { $0[conversation] }?.cancel() }
}
