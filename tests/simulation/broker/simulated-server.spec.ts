import { describeBroker } from './contract/broker.contract.js';
import { openSimulatedBroker } from './contract/simulated-broker.js';

describeBroker('the simulated server', openSimulatedBroker);
