// The engine: state-service and agent-coordinator in one process, for one machine (docs/decisions/0029-one-process-decides-and-does.md).
import 'reflect-metadata';
import { connectCoordinator } from '@taskmaster/agent-coordinator';
import { LocalCommandSender } from '@taskmaster/messaging';
import { announceReady, onShutdown, sayWhyItEnds } from '@taskmaster/service-kit';
import { startStateService } from '@taskmaster/state-service';
import { readConfig, SERVICE_NAME } from './config.js';

sayWhyItEnds(SERVICE_NAME);
const config = readConfig(process.env);
const state = await startStateService(config.state);
const coordinator = await connectCoordinator(config.coordinator, new LocalCommandSender(state.door));
state.here.worksHere(coordinator.own);
// What works ends before what decides: its last answers are recorded.
onShutdown([...coordinator.closers, ...state.closers], { logger: state.logger });
await coordinator.begin();
announceReady({ service: SERVICE_NAME }, state.logger);
