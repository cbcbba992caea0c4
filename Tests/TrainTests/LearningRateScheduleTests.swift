import Checkpoint
import Testing
import TestSupport
import Train

@Suite struct LearningRateScheduleTests {
    /// transformers 5.23: get_cosine_with_min_lr_schedule_with_warmup(100, 1000, min_lr_rate=0.1),
    /// get_polynomial_decay_schedule_with_warmup(100, 1000, lr_end=6e-5, power=1), get_wsd_schedule(100, 180, num_training_steps=1000,
    /// decay_type="1-sqrt", min_lr_ratio=0.1) and get_constant_schedule_with_warmup(100), with a rate of 6e-4. Their cosine rises again
    /// after the last step.
    @Test(arguments: [
        (.cosine, [6e-4, 5.209188e-4, 3.3e-4, 1.390812e-4, 1.115654e-4, 8.942824e-5, 7.321474e-5, 6.000164e-5, 6e-5, 6e-5]),
        (.linear, [6e-4, 4.65e-4, 3.3e-4, 1.95e-4, 1.68e-4, 1.41e-4, 1.14e-4, 6.06e-5, 6e-5, 6e-5]),
        (.wsd, [6e-4, 6e-4, 6e-4, 6e-4, 6e-4, 3.3e-4, 2.181623e-4, 6.150209e-5, 6e-5, 6e-5]),
        (.constant, [6e-4, 6e-4, 6e-4, 6e-4, 6e-4, 6e-4, 6e-4, 6e-4, 6e-4, 6e-4]),
    ] as [(LearningRateSchedule.Shape, [Double])])
    func `rates after the warmup match those of transformers`(_ shape: LearningRateSchedule.Shape, _ expected: [Double]) {
        let schedule = LearningRateSchedule(shape, peak: 6e-4, warmup: 100, steps: 1_000, floor: 0.1)
        for (step, rate) in zip([100, 325, 550, 775, 820, 865, 910, 999, 1_000, 5_000], expected) {
            #expect(abs(Double(schedule.rate(at: step)) - rate) < 1e-9, "\(shape) at \(step)")
        }
    }

    @Test(arguments: LearningRateSchedule.Shape.allCases)
    func `every schedule warms up, never rises afterwards and ends at its lowest rate`(_ shape: LearningRateSchedule.Shape) {
        let schedule = LearningRateSchedule(shape, peak: 1, warmup: 7, steps: 40, floor: 0.25)
        let rates = (0...40).map { schedule.rate(at: $0) }
        for step in 0..<7 { expectClose([rates[step]], [Float(step + 1) / 8], within: .forward, "\(shape) at \(step)") }
        #expect(zip(rates[7...], rates[8...]).allSatisfy { $0 >= $1 } && rates[7] == 1)
        #expect(rates[40] == (shape == .constant ? 1 : 0.25))
        // A run of limited time follows the clock.
        #expect(schedule.rate(at: 20, progress: 1) == rates[40] && schedule.rate(at: 20, progress: 2) == rates[40])
    }

    @Test func `a checkpoint stores the schedule`() throws {
        var plan = TrainingPlan(), checkpoint = try SampleCheckpoint().checkpoint
        plan.schedule = .wsd
        for (name, value) in plan.values { checkpoint.training[name] = value }
        #expect(try TrainingPlan(from: checkpoint) == plan)
        let changes = try plan.changes(from: TrainingPlan())
        #expect(changes.map(\.option) == ["--schedule"] && changes[0].old == "cosine" && changes[0].new == "wsd")
        checkpoint.training["plan/schedule"] = .text("steps")
        let error = #expect(throws: CheckpointError.self) { try TrainingPlan(from: checkpoint) }
        #expect(error?.description.contains("training/plan/schedule: expected one of cosine, linear, wsd, constant, found 'steps'") == true)
    }
}
