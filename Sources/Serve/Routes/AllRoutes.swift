import HTTPServer

extension App {
    /// Everything that is answered, what is asked for most first.
    static let routes =
        stateRoutes + chatRoutes + programRoutes + conversationRoutes + accountRoutes + keyRoutes + tokenRoutes + adminRoutes + pageRoutes
}
