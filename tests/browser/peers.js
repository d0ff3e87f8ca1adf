// Put into every page before its own scripts: keeps the peer connections a page makes, so that a test can ask each what
// it really receives. `keepOpen` leaves connections open that the page closes: what still comes then comes from outside.
;(() => {
  const options = window.__peerOptions ?? {}
  const Real = window.RTCPeerConnection
  const made = []
  window.__peers = made
  window.RTCPeerConnection = class RTCPeerConnection extends Real {
    constructor(configuration) {
      super(options.policy ? { ...configuration, iceTransportPolicy: options.policy } : configuration)
      made.push(this)
    }
    close() {
      if (!options.keepOpen) super.close()
    }
  }

  window.__media = () =>
    Promise.all(
      made.map(async (peer) => {
        const seen = {
          state: peer.connectionState, frames: 0, video_packets: 0, audio_packets: 0, audio_bytes: 0, audio_energy: 0,
          audio_sent: 0, video_sent: 0, local: null, remote: null,
        }
        const report = await peer.getStats()
        for (const one of report.values()) {
          if (one.type === 'inbound-rtp' && one.kind === 'video') {
            seen.frames += one.framesDecoded ?? 0
            seen.video_packets += one.packetsReceived ?? 0
          } else if (one.type === 'inbound-rtp') {
            seen.audio_packets += one.packetsReceived ?? 0
            seen.audio_bytes += one.bytesReceived ?? 0
            seen.audio_energy += one.totalAudioEnergy ?? 0
          } else if (one.type === 'outbound-rtp') {
            seen[`${one.kind}_sent`] += one.packetsSent ?? 0
          } else if (one.type === 'transport' && one.selectedCandidatePairId) {
            const pair = report.get(one.selectedCandidatePairId)
            seen.local = report.get(pair?.localCandidateId)?.candidateType ?? null
            seen.remote = report.get(pair?.remoteCandidateId)?.candidateType ?? null
          }
        }
        return seen
      }),
    )
})()
