"""Throughput and latency beside what usergraph's users would pick instead. Run: make bench"""
