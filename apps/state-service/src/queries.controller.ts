import { Controller, Inject } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { subjectOfQuery, type QueryOf, type QueryReply, type QueryType } from '@taskmaster/contracts';
import { SERVICE_NAME } from './config.js';
import { QueryAnswers } from './queries.js';

/** What a thrown fault becomes is the transport's business; an answer is wrapped. */
const reply = async <Q extends QueryType>(answer: Promise<unknown>): Promise<QueryReply<Q>> => ({ answer: await answer }) as QueryReply<Q>;

@Controller()
export class QueriesController {
  constructor(@Inject(QueryAnswers) private readonly answers: QueryAnswers) {}

  @MessagePattern(subjectOfQuery('GetWorkflow'))
  getWorkflow(@Payload() question: QueryOf<'GetWorkflow'>): Promise<QueryReply<'GetWorkflow'>> {
    return reply(this.answers.getWorkflow(question));
  }

  @MessagePattern(subjectOfQuery('ListWorkflows'))
  listWorkflows(@Payload() question: QueryOf<'ListWorkflows'>): Promise<QueryReply<'ListWorkflows'>> {
    return reply(this.answers.listWorkflows(question));
  }

  @MessagePattern(subjectOfQuery('GetWorkflowHistory'))
  getHistory(@Payload() question: QueryOf<'GetWorkflowHistory'>): Promise<QueryReply<'GetWorkflowHistory'>> {
    return reply(this.answers.getHistory(question));
  }

  @MessagePattern(subjectOfQuery('ListEvents'))
  listEvents(@Payload() question: QueryOf<'ListEvents'>): Promise<QueryReply<'ListEvents'>> {
    return reply(this.answers.listEvents(question));
  }

  @MessagePattern(subjectOfQuery('GetStepContext'))
  getStepContext(@Payload() question: QueryOf<'GetStepContext'>): Promise<QueryReply<'GetStepContext'>> {
    return reply(this.answers.getStepContext(question));
  }

  @MessagePattern(subjectOfQuery('ListAgents'))
  listAgents(@Payload() question: QueryOf<'ListAgents'>): Promise<QueryReply<'ListAgents'>> {
    return reply(this.answers.listAgents(question));
  }

  @MessagePattern(subjectOfQuery('FindApiKey'))
  findApiKey(@Payload() question: QueryOf<'FindApiKey'>): Promise<QueryReply<'FindApiKey'>> {
    return reply(this.answers.findApiKey(question));
  }

  @MessagePattern(subjectOfQuery('GetCounts'))
  getCounts(@Payload() question: QueryOf<'GetCounts'>): Promise<QueryReply<'GetCounts'>> {
    return reply(this.answers.getCounts(question));
  }

  @MessagePattern(subjectOfQuery('VerifyLog'))
  verifyLog(@Payload() question: QueryOf<'VerifyLog'>): Promise<QueryReply<'VerifyLog'>> {
    return reply(this.answers.verify(question));
  }

  @MessagePattern(subjectOfQuery('RenewLeases'))
  renewLeases(@Payload() question: QueryOf<'RenewLeases'>): Promise<QueryReply<'RenewLeases'>> {
    return reply(this.answers.renewLeases(question));
  }

  @MessagePattern(subjectOfQuery('GetHealth'))
  getHealth(): Promise<QueryReply<'GetHealth'>> {
    return reply(this.answers.health(SERVICE_NAME));
  }
}
