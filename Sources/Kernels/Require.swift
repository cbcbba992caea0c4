/// Stops the program with a message on standard error unless `condition` holds. For programming errors, such as shapes that do not fit.
///
/// Unlike `precondition`, it prints the message in release builds too. The message is only computed when it is needed.
@inlinable
package func require(_ condition: @autoclosure () -> Bool, _ message: @autoclosure () -> String,
                     file: StaticString = #fileID, line: UInt = #line) {
    guard condition() else { fatalError(message(), file: file, line: line) }
}
