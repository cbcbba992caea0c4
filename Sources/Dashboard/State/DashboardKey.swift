import Terminal

/// A key or a mouse event.
package enum DashboardKey: Sendable, Equatable {
    /// One character.
    case text(String)
    case enter, escape, tab, backTab, up, down, left, right, pageUp, pageDown, home, end, backspace, delete
    /// Control with a lower-case letter.
    case control(Character)
    case click(row: Int, column: Int)
    case wheelUp, wheelDown
    /// Text from the clipboard, of a terminal that marks it.
    case paste(String)

    /// The key as a line of input understands it; nil for keys that do not edit.
    var editing: Key? {
        switch self {
        case .text(let text): .text(text)
        case .backspace: .backspace
        case .delete: .delete
        case .left: .left
        case .right: .right
        case .home: .home
        case .end: .end
        case .control(let letter): .control(letter)
        default: nil
        }
    }
}
