import Glibc

/// Writes the heads of responses. Formats the date once per second.
struct ResponseEncoder {
    private var second = 0
    private var date: [UInt8] = []

    /// How the client finds the end of the body.
    enum Framing { case none, length(Int), chunked, untilClosed }

    mutating func append(_ response: Response, _ framing: Framing, connection: String?, to output: inout [UInt8]) {
        let status = response.status
        output += "HTTP/1.1 \(status.rawValue) \(status.reason)\r\nDate: ".utf8
        output += currentDate
        output += "\r\n".utf8
        for (name, value) in response.headers {
            output += name.utf8
            output += ": ".utf8
            // A line end in a value would start another header.
            for byte in value.utf8 { output.append(byte < 0x20 || byte == 0x7F ? Byte.space : byte) }
            output += "\r\n".utf8
        }
        switch framing {
        case .none, .untilClosed: break
        case .length(let count): output += "Content-Length: \(count)\r\n".utf8
        case .chunked: output += "Transfer-Encoding: chunked\r\n".utf8
        }
        if let connection { output += "Connection: \(connection)\r\n".utf8 }
        output += "\r\n".utf8
    }

    static func appendChunk(_ bytes: [UInt8], to output: inout [UInt8]) {
        output += String(bytes.count, radix: 16).utf8
        output += "\r\n".utf8
        output += bytes
        output += "\r\n".utf8
    }

    static let lastChunk = Array("0\r\n\r\n".utf8)
    static let continueHead = Array("HTTP/1.1 100 Continue\r\n\r\n".utf8)

    /// Such as "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110, 5.6.7).
    private var currentDate: [UInt8] {
        mutating get {
            var now = time(nil)
            if now == second { return date }
            var parts = tm()
            gmtime_r(&now, &parts)
            second = now
            let day = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"][Int(parts.tm_wday)]
            let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
            func twoDigits(_ number: Int32) -> String { (number < 10 ? "0" : "") + String(number) }
            let clock = [parts.tm_hour, parts.tm_min, parts.tm_sec].map(twoDigits).joined(separator: ":")
            let text = "\(day), \(twoDigits(parts.tm_mday)) \(months[Int(parts.tm_mon)]) \(parts.tm_year + 1_900) \(clock) GMT"
            date = Array(text.utf8)
            return date
        }
    }
}
