import { expect, test } from '@jest/globals'
import { createLoop } from './loop.ts'
import { loopMeter } from './loop-meter.ts'
import { Metrics } from './metrics.ts'
import { silentLog, systemPorts } from './system-ports.ts'

test('counters, gauges and histograms are written as Prometheus reads them', async () => {
  const metrics = new Metrics()
  const requests = metrics.counter({ name: 'requests_total', help: 'All\nof them.', labels: ['code', 'path'] })
  requests('200', '/a"b\\c\n').inc()
  requests('200', '/a"b\\c\n').inc()
  requests('404', '').inc()
  metrics.gauge({ name: 'depth', help: 'How deep.', labels: [] })().set(1.5)
  const seconds = metrics.histogram({ name: 'seconds', help: 'How long.', labels: ['verb'], buckets: [0.1, 1] })('GET')
  for (const value of [0.05, 0.1, 0.5, 7]) seconds.observe(value)
  metrics.counter({ name: 'never', help: 'Has no series.', labels: [] })
  expect(await metrics.text()).toBe(`# HELP depth How deep.
# TYPE depth gauge
depth 1.5
# HELP requests_total All\\nof them.
# TYPE requests_total counter
requests_total{code="200",path="/a\\"b\\\\c\\n"} 2
requests_total{code="404",path=""} 1
# HELP seconds How long.
# TYPE seconds histogram
seconds_bucket{verb="GET",le="0.1"} 2
seconds_bucket{verb="GET",le="1"} 3
seconds_bucket{verb="GET",le="+Inf"} 4
seconds_sum{verb="GET"} 7.65
seconds_count{verb="GET"} 4
`)
})

test('a family that is asked for twice is the same', async () => {
  const metrics = new Metrics()
  const options = { name: 'x', help: 'X.', labels: ['a'] }
  metrics.counter(options)('1').inc()
  metrics.counter(options)('1').inc()
  expect(await metrics.text()).toContain('x{a="1"} 2\n')
})

test('a queue tells what was added, tried again and run', async () => {
  const metrics = new Metrics()
  let failures = 1
  const loop = createLoop({
    name: 'q',
    ports: systemPorts(silentLog),
    workers: 1,
    // What failed is not tried again while the test looks.
    backoff: { baseMs: 600_000, maxMs: 600_000 },
    meter: loopMeter(metrics, 'q'),
    run: async () => {
      if (failures-- > 0) throw new Error('once')
      return undefined
    }
  })
  loop.add('a')
  loop.add('b')
  await loop.idle()
  const text = await metrics.text()
  expect(text).toContain('workqueue_adds_total{name="q"} 2\n')
  expect(text).toContain('workqueue_retries_total{name="q"} 1\n')
  expect(text).toContain('workqueue_depth{name="q"} 0\n')
  expect(text).toContain('workqueue_work_duration_seconds_count{name="q"} 2\n')
  await loop.stop()
})
