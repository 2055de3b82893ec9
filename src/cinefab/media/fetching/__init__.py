"""What is fetched from addresses that strangers name: guarded, limited, believed little."""
