import { describeBroker } from './contract/broker.contract.js';
import { openRealBroker } from './contract/real-broker.js';

describeBroker('nats-server', openRealBroker);
