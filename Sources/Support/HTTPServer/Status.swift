/// A status of HTTP, with the words that go with it.
package struct Status: RawRepresentable, Sendable, Hashable {
    package let rawValue: Int

    package init(rawValue: Int) { self.rawValue = rawValue }
    package init(_ number: Int) { rawValue = number }

    package static let ok = Status(200), created = Status(201), noContent = Status(204), notModified = Status(304)
    package static let badRequest = Status(400), unauthorized = Status(401), forbidden = Status(403), notFound = Status(404),
        methodNotAllowed = Status(405)
    package static let timeout = Status(408), conflict = Status(409), tooLarge = Status(413), unsupportedType = Status(415),
        unprocessable = Status(422)
    package static let tooManyRequests = Status(429)
    package static let failed = Status(500), notImplemented = Status(501), badGateway = Status(502), unavailable = Status(503),
        noSpace = Status(507)
}

/// What never becomes a request.
package struct Refusal: Sendable, CustomStringConvertible {
    package let status: Status
    package let description: String
    /// As it came.
    package let target: String
}
