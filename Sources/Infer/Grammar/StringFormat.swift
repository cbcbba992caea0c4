/// The values of `format` that answers must satisfy; others describe a text only.
enum StringFormat: String {
    case date, time, dateTime = "date-time", uuid, email, ipv4

    /// A regular expression for a whole text.
    var expression: String {
        switch self {
        case .date: "^\(Self.day)$"
        case .time: "^\(Self.clock)$"
        case .dateTime: "^\(Self.day)T\(Self.clock)$"
        case .uuid: "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
        case .email: "^\(Self.atom)(\\.\(Self.atom))*@\(Self.label)(\\.\(Self.label))+$"
        case .ipv4: "^\(Self.byte)(\\.\(Self.byte)){3}$"
        }
    }

    private static let year = "([1-9]\\d{3}|0[1-9]\\d\\d|00[1-9]\\d|000[1-9])"
    private static let leapYear = "(\\d\\d(0[48]|[2468][048]|[13579][26])|(0[48]|[2468][048]|[13579][26])00)"
    /// A day of the calendar.
    private static let day = "(\(year)-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)"
        + "|02-(0[1-9]|1\\d|2[0-8]))|\(leapYear)-02-29)"
    /// RFC 3339, without leap seconds.
    private static let clock = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+-]([01]\\d|2[0-3]):[0-5]\\d)"
    private static let atom = "[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,32}"
    private static let label = "[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?"
    private static let byte = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"
}
