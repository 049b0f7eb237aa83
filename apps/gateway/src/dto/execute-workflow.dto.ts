import {
  DELEGATION_POLICIES,
  PRIORITIES,
  PROFILE_NAMES,
  REQUIREMENT_BYTES_MAX,
  type DelegationPolicy,
  type JsonObject,
  type Priority,
  type ProfileName,
} from '@taskmaster/contracts';
import { Type } from 'class-transformer';
import {
  ArrayMaxSize,
  ArrayMinSize,
  IsArray,
  IsBoolean,
  IsIn,
  IsInt,
  IsNotEmpty,
  IsObject,
  IsOptional,
  IsString,
  Matches,
  Max,
  MaxLength,
  Min,
  ValidateNested,
} from 'class-validator';
import { PlanDto, TITLE_LENGTH_MAX } from './plan.dto.js';

const DAY_MS = 86_400_000;
const NAME_LENGTH_MAX = 128;
const URL_LENGTH_MAX = 2_048;

/** Where the change goes. */
export class RepositoryDto {
  /** A path on the platform's machine or a URL that git understands. Something that git would take for an option is not one. */
  @IsString()
  @IsNotEmpty()
  @MaxLength(URL_LENGTH_MAX)
  @Matches(/^[^-\0\r\n][^\0\r\n]*$/, { message: 'url must be a path or a URL that git understands' })
  url!: string;
  @IsOptional()
  @IsString()
  @MaxLength(NAME_LENGTH_MAX)
  @Matches(/^[A-Za-z0-9][A-Za-z0-9._/-]*$/, { message: 'branch must be the name of a branch' })
  branch?: string;
  @IsOptional()
  @IsIn(['local', 'github'])
  forge?: 'local' | 'github';
}

/** A command that proves something about a checkout. */
export class ValidationCommandDto {
  @IsString()
  @IsNotEmpty()
  @MaxLength(NAME_LENGTH_MAX)
  name!: string;
  @IsArray()
  @ArrayMinSize(1)
  @ArrayMaxSize(64)
  @IsString({ each: true })
  @MaxLength(1_024, { each: true })
  command!: string[];
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(DAY_MS)
  timeoutMs?: number;
}

/** How the workflow is run. */
export class WorkflowOptionsDto {
  @IsOptional()
  @IsIn(['auto', 'manual'])
  drive?: 'auto' | 'manual';
  @IsOptional()
  @IsBoolean()
  strict?: boolean;
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(30 * DAY_MS)
  timeoutMs?: number;
  @IsOptional()
  @IsInt()
  @Min(0)
  @Max(20)
  maxFixCycles?: number;
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(200)
  maxConcurrentSteps?: number;
  @IsOptional()
  @IsBoolean()
  enableNlp?: boolean;
  @IsOptional()
  @IsBoolean()
  enableAgentCoordination?: boolean;
  @IsOptional()
  @IsArray()
  @ArrayMaxSize(20)
  @ValidateNested({ each: true })
  @Type(() => ValidationCommandDto)
  validation?: ValidationCommandDto[];
  @IsOptional()
  @IsInt()
  @Min(1)
  @Max(30 * DAY_MS)
  escalationTimeoutMs?: number;
}

/** What to deliver and how: exactly one of `requirement`, `taskId`, `name` and `plan`. */
export class ExecuteWorkflowDto {
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  @MaxLength(REQUIREMENT_BYTES_MAX)
  requirement?: string;
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  @MaxLength(NAME_LENGTH_MAX)
  taskId?: string;
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  @MaxLength(NAME_LENGTH_MAX)
  name?: string;
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => PlanDto)
  plan?: PlanDto;
  @IsOptional()
  @IsIn(PROFILE_NAMES)
  profile?: ProfileName;
  @IsOptional()
  @IsString()
  @IsNotEmpty()
  @MaxLength(TITLE_LENGTH_MAX)
  title?: string;
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => RepositoryDto)
  repository?: RepositoryDto;
  @IsOptional()
  @IsObject()
  context?: JsonObject;
  @IsOptional()
  @IsIn(DELEGATION_POLICIES)
  delegation?: DelegationPolicy;
  @IsOptional()
  @IsIn(PRIORITIES)
  priority?: Priority;
  @IsOptional()
  @IsObject()
  @ValidateNested()
  @Type(() => WorkflowOptionsDto)
  options?: WorkflowOptionsDto;
}
