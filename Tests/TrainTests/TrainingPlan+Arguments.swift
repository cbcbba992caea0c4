import Train

extension TrainingPlan {
    /// The settings of a test as arguments.
    init(
        _ length: Length = TrainingPlan().length, batch: Int, lr: Float = TrainingPlan().lr, warmup: Int = TrainingPlan().warmup,
        weightDecay: Float = TrainingPlan().weightDecay, seed: Int = TrainingPlan().seed, gradientGroups: Int = 1,
        shardsOptimizer: Bool = false, lossScope: LossScope = .all, evalEvery: Int? = nil, evalTokens: Int = TrainingPlan().evalTokens,
        evaluatesFirst: Bool = false, patience: Int? = nil
    ) {
        self.init()
        self.length = length
        self.batch = batch
        self.lr = lr
        self.warmup = warmup
        self.weightDecay = weightDecay
        self.seed = seed
        self.gradientGroups = gradientGroups
        self.shardsOptimizer = shardsOptimizer
        self.lossScope = lossScope
        self.evalEvery = evalEvery
        self.evalTokens = evalTokens
        self.evaluatesFirst = evaluatesFirst
        self.patience = patience
    }
}
