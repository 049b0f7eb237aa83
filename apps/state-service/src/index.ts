export { AdmissionReactor } from './admission.reactor.js';
export { CommandsController } from './commands.controller.js';
export { readConfig, type StateConfig } from './config.js';
export { absentEntry, foldInto, type Entry } from './entry.js';
export { CommandHandler, type Commit, type CommittedEvent, type HandlerOptions } from './handle-command.js';
export { RelayWorker, type RelayWorkerOptions } from './relay.worker.js';
export { SweepWorker } from './sweep.worker.js';
export { REDRIVE_EVERY_MS, Sweeper } from './sweeper.js';
export { startStateService, type RunningStateService } from './start.js';
