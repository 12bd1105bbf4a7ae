/** Version of the service and of its API. */
export const SERVICE_VERSION = '0.1.0';
